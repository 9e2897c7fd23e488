/* Status codes, and the message that goes with a failure.

   Every function of the core that can fail returns a pa_status: PA_OK, or the code of the Python exception that the
   failure becomes. The text is kept per thread until the next failure:

       PA_STATUS_MAP ──┬── enum pa_status      what C returns
                       └── exception name      what Python raises
*/
#ifndef PA_STATUS_H
#define PA_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* code, Python exception (SystemError where none is raised) */
#define PA_STATUS_MAP(X)                                                                                               \
    X(OK, SystemError)                                                                                                 \
    X(MEMORY, MemoryError)                                                                                             \
    X(VALUE, ValueError)                                                                                               \
    X(TYPE, TypeError)                                                                                                 \
    X(INDEX, IndexError)                                                                                               \
    X(RUNTIME, RuntimeError)                                                                                           \
    X(FLOATING_POINT, FloatingPointError)                                                                              \
    X(UNSUPPORTED, NotImplementedError)                                                                                \
    X(TRACE, TraceError)                                                                                               \
    X(PYTHON, SystemError) /* it is set already */

typedef enum pa_status {
#define X(code, exception) PA_##code,
    PA_STATUS_MAP(X)
#undef X
        PA_STATUS_COUNT
} pa_status;

/* Before the core's own variables: spares them the look-up that a shared library's public ones need. */
#if defined(__GNUC__)
#define PA_INTERNAL __attribute__((visibility("hidden")))
#else
#define PA_INTERNAL
#endif

/* A parameter that a function has for the sake of its type. */
#if defined(__GNUC__)
#define PA_UNUSED(name) unused_##name __attribute__((unused))
#else
#define PA_UNUSED(name) unused_##name
#endif

/* Records a printf-style message and returns `code`, so that a caller can write `return pa_fail(PA_VALUE, …)`. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
pa_status pa_fail(pa_status code, const char *format, ...);

/* The message of this thread's last failure. */
const char *pa_status_message(void);

/* Room for a text that is written piece by piece, and cut where it ends. */
typedef struct pa_text {
    char *to;
    size_t left;
} pa_text;

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void pa_text_add(pa_text *text, const char *format, ...);

#define PA_TRY(call)                                                                                                   \
    do {                                                                                                               \
        pa_status pa_try_status_ = (call);                                                                             \
        if (pa_try_status_ != PA_OK) return pa_try_status_;                                                            \
    } while (0)

#define PA_FAIL_IF(condition, code, ...)                                                                               \
    do {                                                                                                               \
        if (condition) return pa_fail(code, __VA_ARGS__);                                                              \
    } while (0)

#endif

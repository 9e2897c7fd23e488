/* The texts of the status codes, and the message of a thread's last failure. */
#include "status.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char message[1024];

static const char *const texts[PA_STATUS_COUNT] = {
#define X(code, exception, text) text,
    PA_STATUS_MAP(X)
#undef X
};

pa_status pa_fail(pa_status code, const char *format, ...) {
    if (format == NULL) {
        snprintf(message, sizeof message, "%s", texts[code]);
        return code;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return code;
}

const char *pa_status_message(void) { return message; }

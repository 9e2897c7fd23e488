/* The message of a thread's last failure, and texts that are written piece by piece. */
#include "status.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char message[1024];

pa_status pa_fail(pa_status code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return code;
}

const char *pa_status_message(void) { return message; }

void pa_text_add(pa_text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text->to, text->left, format, arguments);
    va_end(arguments);
    size_t written = n < 0 ? 0 : (size_t)n < text->left ? (size_t)n : text->left - 1;
    text->to += written;
    text->left -= written;
}

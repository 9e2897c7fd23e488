/* What the C tests share: a check that counts and goes on, random numbers that are the same in every run, and the list
   of test groups. */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>

#include "status.h"

void check_result(bool passed, const char *what, const char *file, int line);

#define CHECK(condition) check_result((condition), #condition, __FILE__, __LINE__)
#define CHECK_OK(call) check_status((call), #call, __FILE__, __LINE__)

/* A status that is not PA_OK fails the check and prints the message. */
void check_status(pa_status status, const char *what, const char *file, int line);

/* Is the last failure's message one that contains `part`? */
bool message_has(const char *part);

/* 64 random bits; check_seed can be set to repeat a sequence. The upper bits are the better ones. */
extern uint64_t check_seed;
uint64_t check_random(void);
double check_uniform(void); /* in [-1, 1) */

void test_memory(void);
void test_ops(void);
void test_graph(void);
void test_kernels(void);
void test_engine(void);
void test_program(void);
void test_straightline(void);

#endif

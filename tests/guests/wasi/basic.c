/* basic WHAT…: shows what a program was given, and ends as it is told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "args") == 0) {
        for (int i = 0; i < argc; i++) {
            printf("[%s]", argv[i]);
        }
        puts("");
    } else if (strcmp(what, "env") == 0) {
        extern char **environ;
        for (char **e = environ; e && *e; e++) {
            puts(*e);
        }
    } else if (strcmp(what, "exit") == 0) {
        exit(atoi(argv[2]));
    } else if (strcmp(what, "cat") == 0) {
        char buffer[4096];
        size_t n;
        while ((n = fread(buffer, 1, sizeof(buffer), stdin)) > 0) {
            if (fwrite(buffer, 1, n, stdout) != n) {
                return 5;
            }
        }
    } else if (strcmp(what, "stderr") == 0) {
        fputs("to stderr\n", stderr);
    } else if (strcmp(what, "escape") == 0) {
        fputs("\033]0;owned\007\033[31mred\033[0m \302\233m gr\303\274n\n", stdout);
    } else if (strcmp(what, "read") == 0 || strcmp(what, "write") == 0) {
        FILE *f = fopen(argv[2], what[0] == 'r' ? "r" : "w");
        if (!f) {
            perror("fopen");
            return 1;
        }
        if (what[0] == 'w') {
            fputs(argv[3], f);
            return fclose(f) ? 1 : 0;
        }
        char line[200];
        while (fgets(line, sizeof(line), f)) {
            fputs(line, stdout);
        }
        fclose(f);
    } else if (strcmp(what, "abort") == 0) {
        abort();
    }
    return 0;
}

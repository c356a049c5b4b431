"""The program that an exported header is where it is asked to be one."""

MAIN = r"""#ifdef %PREFIX%_MAIN
#include <stdio.h>
#include <stdlib.h>

/* Reads a sample a line, an empty one or nan where it is missing; writes a line for each: the
 * forecasts, then lower and upper ends of each level; an empty line until there is a forecast. */
int main(void) {
  static @state state;
  REAL out[%STEPS%];
  char line[128];
  int s;
  @init(&state);
  while (fgets(line, (int)sizeof line, stdin)) {
    char *end;
    REAL sample = (REAL)strtod(line, &end);
    if (end == line) sample = (REAL)NAN;
    @push(&state, sample);
    if (@next(&state, out)) {
      for (s = 0; s < %STEPS%; s++) printf(s ? " %.17g" : "%.17g", (double)out[s]);
#if %PREFIX%_LEVELS > 0
      {
        REAL lower[%STEPS%], upper[%STEPS%];
        int level;
        for (level = 0; level < %PREFIX%_LEVELS; level++) {
          @interval(level, out, lower, upper);
          for (s = 0; s < %STEPS%; s++) printf(" %.17g", (double)lower[s]);
          for (s = 0; s < %STEPS%; s++) printf(" %.17g", (double)upper[s]);
        }
      }
#endif
    }
    printf("\n");
    fflush(stdout);
  }
  return 0;
}
#endif
"""

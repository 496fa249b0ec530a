# Warnings, hardening and sanitizer flags, each kept only if the compiler takes it.
AC_DEFUN([LAUNCHER_TRY_FLAG], [
  AS_VAR_PUSHDEF([cachevar], [launcher_cv_flag_$1])
  AC_CACHE_CHECK([whether $CC accepts $1], [cachevar], [
    launcher_save="$CFLAGS"
    CFLAGS="$CFLAGS -Werror $1"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM()], [AS_VAR_SET([cachevar], [yes])], [AS_VAR_SET([cachevar], [no])])
    CFLAGS="$launcher_save"])
  AS_VAR_IF([cachevar], [yes], [$2="$$2 $1"])
  AS_VAR_POPDEF([cachevar])])

AC_DEFUN([LAUNCHER_COMPILER_FLAGS], [
  WARN_CFLAGS=""
  HARDEN_CFLAGS=""
  HARDEN_LDFLAGS=""
  m4_foreach_w([flag], [-std=gnu17 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
      -Wold-style-definition -Wformat=2 -Wundef -Wvla -Walloca -Wwrite-strings -Wpointer-arith -Wcast-qual
      -Wimplicit-fallthrough -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wno-unused-parameter],
    [LAUNCHER_TRY_FLAG(flag, [WARN_CFLAGS])])
  # fuzzing needs clang, whose warnings differ; the ones that count are gcc's
  AS_IF([test "x$enable_werror" = xyes && test "x$enable_fuzzing" != xyes], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])
  AS_IF([test "x$enable_sanitizers" = xno], [
    m4_foreach_w([flag], [-fstack-protector-strong -fstack-clash-protection -fcf-protection
        -ftrivial-auto-var-init=zero -fPIE], [LAUNCHER_TRY_FLAG(flag, [HARDEN_CFLAGS])])
    HARDEN_CFLAGS="$HARDEN_CFLAGS -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"
    HARDEN_LDFLAGS="-pie -Wl,-z,relro,-z,now"
  ], [
    # instrumented code misleads the compiler about what is initialised; a plain build warns of that
    HARDEN_CFLAGS="-fsanitize=$enable_sanitizers -fno-omit-frame-pointer -fno-sanitize-recover=all -g"
    LAUNCHER_TRY_FLAG([-Wno-maybe-uninitialized], [HARDEN_CFLAGS])
    HARDEN_LDFLAGS="-fsanitize=$enable_sanitizers"
    # gcc's shared libubsan beside libasan writes to stderr whatever log_path says; see tests/sanitizer-reports.sh
    AS_CASE([$enable_sanitizers], [*address*undefined* | *undefined*address*],
      [LAUNCHER_TRY_FLAG([-static-libasan], [HARDEN_LDFLAGS])
       LAUNCHER_TRY_FLAG([-static-libubsan], [HARDEN_LDFLAGS])])
  ])
  AS_IF([test "x$enable_fuzzing" = xyes], [HARDEN_CFLAGS="$HARDEN_CFLAGS -fsanitize=fuzzer-no-link"])
  AC_SUBST([WARN_CFLAGS])
  AC_SUBST([HARDEN_CFLAGS])
  AC_SUBST([HARDEN_LDFLAGS])])

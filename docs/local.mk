# The man page comes from the command table: the program prints it.
man1_MANS = %D%/man/launcher.1
CLEANFILES += %D%/man/launcher.1

%D%/man/launcher.1: src/launcher/launcher$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && src/launcher/launcher$(EXEEXT) man-page > $@.tmp && mv $@.tmp $@

EXTRA_DIST += %D%/architecture.md %D%/status.md %D%/internals %D%/decisions

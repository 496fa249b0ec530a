# The man pages come from the tables: the programs print them.
man1_MANS = %D%/man/launcher.1
man8_MANS = %D%/man/clusterd.8
CLEANFILES += %D%/man/launcher.1 %D%/man/clusterd.8

%D%/man/launcher.1: src/launcher/launcher$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && src/launcher/launcher$(EXEEXT) man-page > $@.tmp && mv $@.tmp $@

%D%/man/clusterd.8: src/clusterd/clusterd$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && src/clusterd/clusterd$(EXEEXT) man-page > $@.tmp && mv $@.tmp $@

EXTRA_DIST += %D%/architecture.md %D%/status.md %D%/internals %D%/decisions

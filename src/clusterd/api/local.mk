noinst_LIBRARIES += %D%/libapi.a
%C%_libapi_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"api\"
%C%_libapi_a_SOURCES =

# selectors and patches
%C%_libapi_a_SOURCES += \
	%D%/patch.h %D%/patch_json.c %D%/patch_lists.c %D%/patch_merge.c %D%/patch_strategic.c %D%/patch_strategic.h \
	%D%/selector.c %D%/selector.h %D%/selector_field.c %D%/selector_syntax.c %D%/selector_syntax.h %D%/selector_term.c

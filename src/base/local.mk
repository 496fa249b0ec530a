noinst_LIBRARIES += %D%/libbase.a
%C%_libbase_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"base\"
%C%_libbase_a_SOURCES = \
	%D%/base64url.c %D%/base64url.h \
	%D%/capability.c %D%/capability.h \
	%D%/certificate_request.c %D%/certificate_request.h \
	%D%/cron_schedule.c %D%/cron_schedule.h \
	%D%/file.c %D%/file.h \
	%D%/ip_address.c %D%/ip_address.h \
	%D%/json.c %D%/json.h \
	%D%/log.c %D%/log.h \
	%D%/quantity.c %D%/quantity.h \
	%D%/reason.c %D%/reason.h \
	%D%/runtime_name.c %D%/runtime_name.h \
	%D%/timestamp.c %D%/timestamp.h \
	%D%/x509.c %D%/x509_private.h %D%/x509.h \
	%D%/yaml.c %D%/yaml.h
if THREAD_SANITIZER
%C%_libbase_a_SOURCES += %D%/thread_sanitizer.c
endif

# The boot image. `make iso` builds it from Debian packages and this tree's clusterd into iso/ of the build tree;
# `make install-iso` installs it where launcher looks for it.
iso_output = $(abs_top_builddir)/iso
iso_work = $(abs_top_builddir)/iso-work
ISO_FLAGS =

.PHONY: iso install-iso
iso: src/clusterd/clusterd$(EXEEXT) src/clusterd/clusterd-pause$(EXEEXT)
	$(srcdir)/iso/build --clusterd src/clusterd/clusterd$(EXEEXT) --output '$(iso_output)' --work '$(iso_work)' \
	  --version '$(PACKAGE_VERSION)' $(ISO_FLAGS)

install-iso:
	$(MKDIR_P) '$(DESTDIR)$(pkgdatadir)/keys'
	$(INSTALL_DATA) '$(iso_output)/launcher.iso' '$(iso_output)/launcher.iso.sha256' '$(iso_output)/launcher.iso.sig' \
	  '$(DESTDIR)$(pkgdatadir)'
	$(INSTALL_DATA) '$(iso_output)'/keys/*.pub '$(DESTDIR)$(pkgdatadir)/keys'

EXTRA_DIST += %D%/build %D%/packages.list %D%/modules.list %D%/modules-initrd.list %D%/stages %D%/initrd %D%/rootfs
# folder by folder: a build tree has the finished images beside them
EXTRA_DIST += %D%/images/base %D%/images/busybox %D%/images/hello-world %D%/images/nginx

dist_check_SCRIPTS += tests/iso/image.sh tests/iso/scripts.sh tests/iso/rebuild.sh tests/iso/boot.sh
TESTS += tests/iso/image.sh tests/iso/scripts.sh tests/iso/rebuild.sh tests/iso/boot.sh
EXTRA_DIST += tests/iso/tap.sh

# unit tests of dns; see tests/local.mk

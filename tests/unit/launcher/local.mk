# unit tests of launcher; see tests/local.mk

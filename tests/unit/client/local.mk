# unit tests of client; see tests/local.mk

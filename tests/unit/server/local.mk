# unit tests of server; see tests/local.mk

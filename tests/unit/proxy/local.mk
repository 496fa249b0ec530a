# unit tests of proxy; see tests/local.mk

# unit tests of profile; see tests/local.mk

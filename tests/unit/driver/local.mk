# unit tests of driver; see tests/local.mk

# unit tests of bootstrap; see tests/local.mk

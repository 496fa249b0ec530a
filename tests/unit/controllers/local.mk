# unit tests of controllers; see tests/local.mk

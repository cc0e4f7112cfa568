#!/usr/bin/env python
# vim: set fileencoding=cp1252 :
def a(x="“quoted”"):
    pass

# coding: latin-1
def a(): pass

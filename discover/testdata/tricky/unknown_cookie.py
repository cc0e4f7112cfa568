# coding: klingon
def a(): pass

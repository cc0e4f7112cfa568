# coding: utf-8
def a(): pass

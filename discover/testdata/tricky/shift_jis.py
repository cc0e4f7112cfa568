# coding: shift_jis
def a(x="表示ソ"):
    "能\n"

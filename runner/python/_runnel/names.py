"""Names for runs that runnel has not named: those of python report.py."""
import os

FIRST = "amber bold calm dusty early fair gentle happy icy jolly keen lucky misty neat quick".split()
SECOND = "badger crane dove egret falcon gecko heron ibis lynx marten otter panda robin seal wren".split()


def two_words():
    one, two = os.urandom(2)
    return "%s-%s" % (FIRST[one % len(FIRST)], SECOND[two % len(SECOND)])

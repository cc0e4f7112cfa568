from somewhere import *


@flow
def counted(): ...

# Of the Prefect whose names the built-in one follows. Flows compare it.
__version__ = "3.0.0+runnel"

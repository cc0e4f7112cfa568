#!/bin/sh
# /// flow
# name: open
echo never closed

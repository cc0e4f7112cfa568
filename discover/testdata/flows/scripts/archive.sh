#!/bin/sh
# /// flow
# name: archive
# description: Packs a folder.
# retries: 2
# timeout_seconds: 90
# parameters:
#   folder: {type: string, default: .}
#   keep:
#     type: integer
#     minimum: 1
# ///
tar czf out.tgz "$RUNNEL_PARAM_FOLDER"

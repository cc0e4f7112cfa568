#!/bin/sh
# Keeps copies of a report: packs it with the date in the name, and removes the
# oldest so that the newest few stay. By hand: archive.sh [REPORT [ARCHIVE [KEEP]]]
#
# /// flow
# name: archive-report
# description: Packs a report with the date in its name and keeps the newest copies
# parameters:
#   report:
#     type: string
#     description: the file or folder to pack
#     default: report.txt
#   archive:
#     type: string
#     description: the folder that holds the copies
#     default: archive
#   keep:
#     type: integer
#     description: how many copies stay
#     minimum: 1
#     default: 7
# retries: 1
# timeout_seconds: 300
# ///
set -eu
LC_ALL=C
export LC_ALL

fail() {
	echo "archive: $*" >&2
	exit 1
}

report=${1:-${RUNNEL_PARAM_REPORT:-report.txt}}
archive=${2:-${RUNNEL_PARAM_ARCHIVE:-archive}}
keep=${3:-${RUNNEL_PARAM_KEEP:-7}}

case $keep in
'' | *[!0-9]* | 0) fail "keep is '$keep': it must be a whole number from 1 on" ;;
esac
# A name such as -x or a:b would be an option or a host to tar.
case $report in /*) ;; *) report=./$report ;; esac
case $archive in /*) ;; *) archive=./$archive ;; esac
[ -e "$report" ] || fail "there is no $report: run the report with output=$report first"
mkdir -p "$archive"

folder=$(dirname "$report")
name=$(basename "$report")
stem=${name%.*}
[ -n "$stem" ] || stem=$name

# A copy of this very second is another run's: the next second has a free name.
copy=$archive/$stem-$(date +%Y%m%d-%H%M%S).tar.gz
while [ -e "$copy" ]; do
	sleep 1
	copy=$archive/$stem-$(date +%Y%m%d-%H%M%S).tar.gz
done

# Under another name until it is whole, so that a run that is cut off leaves no
# broken copy among the good ones.
part=$archive/.$stem-$$.part
trap 'rm -f "$part" "$part.gz"' EXIT
trap 'exit 1' HUP INT TERM
(cd "$folder" && tar -cf - "./$name") >"$part"
gzip "$part"
mv "$part.gz" "$copy"
echo "packed $report as $copy"

# The names sort by date, so the first ones are the oldest.
set -- "$archive/$stem"-[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]-[0-9][0-9][0-9][0-9][0-9][0-9].tar.gz
while [ $# -gt "$keep" ]; do
	rm -f "$1"
	echo "removed $1"
	shift
done
echo "$# of at most $keep copies in $archive"

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# runner.bash - what run-bats and run-units share
#
#   at_a_time FAST SLOW      how many tests: FAST, or SLOW on a machine where starting processes side by side is slow,
#                            as in a virtual machine whose page tables its host keeps: there, more only make each
#                            other run into time-outs. What it measured stands on stderr.
#   in_order NAMES FILE...   the files; those with one of NAMES first, as "resume" has resume_test and resume.bats
#   spoke LOG                did a sanitizer say something there?

# On a machine of that kind the 200 took 1.1 s (and 0.9 s one after the other), on others 0.1 s; the border is half of
# the former.
at_a_time() {
	local from=${EPOCHREALTIME/./} ms jobs
	starts() { for _ in {1..100}; do /bin/true; done; }
	(starts & starts & wait)
	ms=$(((${EPOCHREALTIME/./} - from) / 1000))
	jobs=$((ms < 600 ? $1 : $2))
	echo "# $jobs at a time: 200 processes start in $ms ms" >&2
	echo "$jobs"
}

in_order() {
	local names file name i
	read -ra names <<<"$1"
	for file in "${@:2}"; do
		name=${file##*/}
		name=${name%.bats}
		name=${name%_test}
		for i in "${!names[@]}" 99; do
			[ "${names[i]:-}" = "$name" ] && break
		done
		echo "$i $file"
	done | sort -sn | cut -d' ' -f2-
}

spoke() { grep -qE '(Address|Thread|Leak|UndefinedBehavior)Sanitizer|runtime error:|got 99' "$1"; }

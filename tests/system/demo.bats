#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What README begins with: `make demo` shows it, from nothing to an archive, and takes its lab down.

load helpers

setup_file() { "$top/tests/demo" >"$BATS_FILE_TMPDIR/out" 2>&1 || { cat "$BATS_FILE_TMPDIR/out"; return 1; }; }
teardown_file() { lab_down; }

@test "the demo deploys three agents and captures nine tasks without a loss" {
	grep -q '^swarmcap: 3 of 3 agents answer$' "$BATS_FILE_TMPDIR/out"
	grep -q '^swarmcap: capturing 9 of 9 tasks on 3 nodes$' "$BATS_FILE_TMPDIR/out"
	grep -qE '^swarmcap: demo.tar.zst: [1-9][0-9]{2,} packets of 9 tasks, .*, 0 dropped, 0 missing$' "$BATS_FILE_TMPDIR/out"
	grep -q '^SHA256SUMS: all match$' "$BATS_FILE_TMPDIR/out"
	grep -qE 'HTTP .* GET /client-node[123]-[0-9]+ HTTP/1.1' "$BATS_FILE_TMPDIR/out"
}

@test "the archive that it leaves is whole, and its lab is gone" {
	[ "$(tar -tf "$BUILD/demo/demo.tar.zst" | grep -cE '^demo/node[123]-(web|client)\.[^/]*\.pcapng$')" -eq 9 ]
	[ "$(tar -xOf "$BUILD/demo/demo.tar.zst" demo/manifest.json | jq '.missing | length')" -eq 0 ]
	[ ! -e "$LAB_DIR" ]
	run -1 grep -q "^$LAB_NAME-" <<<"$(ip netns list)"
}

# capture, …, archive info: one per line, as --help has them
commands() { "$BUILD/swarmcap" --help | sed -nE 's/^  ([a-z]+( [a-z]+)?) .*/\1/p'; }

@test "every command that README and the man page name is in --help, and the other way round" {
	run -0 "$BUILD/swarmcap" --help
	while read -r c; do
		grep -q "swarmcap $c" "$top/README.md"
		grep -q "^\.It Cm $c\b" "$top/docs/swarmcap.1"
	done < <(commands)
	for c in $(sed -nE 's/^\.It Cm ([a-z]+).*/\1/p' "$top/docs/swarmcap.1") $(grep -oE 'swarmcap [a-z]+ ' "$top/README.md" | cut -d' ' -f2); do
		grep -qE "^  $c( |$)" <<<"$output"
	done
}

@test "every option of --help is in the man page, and the other way round" {
	local shown written
	shown=$( ("$BUILD/swarmcap" --help
		while read -r c; do
			# shellcheck disable=SC2086 # two words
			"$BUILD/swarmcap" $c --help
		done < <(commands)) |
		sed -nE 's/^  (-., |    )--([a-z-]+).*/\2/p' | sort -u)
	written=$(sed -nE 's/^\.It .*Fl Fl ([a-z-]+).*/\1/p' "$top/docs/swarmcap.1" | sort -u)
	[ "$(wc -l <<<"$shown")" -gt 15 ]
	diff <(echo "$shown") <(echo "$written")
}

@test "the agent's --help and its man page name the same options" {
	local shown written
	shown=$("$BUILD/swarmcap-agent" --help | grep -E '^  -' | sed -E 's/   .*//' | grep -oE -- '--[a-z-]+' | sort -u)
	written=$(grep -E '^\.It Fl ' "$top/docs/swarmcap-agent.8" | grep -oE 'Fl Fl [a-z-]+' | sed 's/Fl Fl /--/' | sort -u)
	[ "$(wc -l <<<"$shown")" -gt 12 ]
	diff <(echo "$shown") <(echo "$written")
}

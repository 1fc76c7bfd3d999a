#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# archive merge, info and verify, over files of tcpdump, dumpcap, editcap and mergecap; no lab is needed.

load helpers
load archive

setup_file() {
	export WORK=$BATS_FILE_TMPDIR/work
	mkdir -p "$WORK/corpus" "$WORK/three"
	cd "$WORK"
	traffic corpus/tcpdump.pcap corpus/dumpcap.pcapng
	editcap -F nsecpcap corpus/dumpcap.pcapng corpus/nano.pcap
	editcap -F modpcap corpus/tcpdump.pcap corpus/modified.pcap
	editcap -F pcapng -a 1:'look here' corpus/tcpdump.pcap corpus/editcap.pcapng
	mergecap -F pcapng -w corpus/mergecap.pcapng corpus/tcpdump.pcap corpus/dumpcap.pcapng
	swapped corpus/tcpdump.pcap >corpus/swapped.pcap
	swapped corpus/nano.pcap >corpus/swapped-nano.pcap
	cp "$top/tests/fuzz/corpus/pcapng/big.pcapng" corpus/big.pcapng
	# three tasks of one traffic: packets in turns, and node2's clock is 750 ms ahead
	for i in 1 2 3; do
		editcap -r -F nsecpcap corpus/nano.pcap three.part $(seq $i 3 60)
		editcap -F pcapng -t "$([ $i -eq 2 ] && echo 0.75 || echo 0)" three.part \
			"three/node$i-web.$i.$(printf 'abc%d' $i | head -c 3)def-2026-11-23_14-39-05.pcapng"
	done
	rm three.part
	clocks node1=1000/20000 node2=750000000/50000 node3=0/90000
	pack three three
}

setup() { cd "$WORK"; }

merge() { "$BUILD/swarmcap" archive merge "$@"; }

@test "a corpus of other programs' files merges: all packets, in order, each interface's as in its file" {
	local f n=0
	run -0 --separate-stderr merge corpus/* -o all.pcapng --force
	[ "$output" = all.pcapng ]
	for f in corpus/*; do n=$((n + $(count "$f"))); done
	[ "$(count all.pcapng)" -eq $n ]
	times all.pcapng | sort -c -n
	capinfos all.pcapng | grep -q 'Strict time order:   True'
	for f in tcpdump.pcap modified.pcap swapped-nano.pcap; do
		diff <(bytes_of "corpus/$f") <(bytes_of all.pcapng "frame.interface_name == \"$f\"")
		[ "$(times all.pcapng | wc -l)" -gt 0 ]
		diff <(times "corpus/$f") <(tshark -r all.pcapng -Y "frame.interface_name == \"$f\"" -T fields -e frame.time_epoch 2>/dev/null)
	done
	diff <(bytes_of corpus/dumpcap.pcapng) <(bytes_of all.pcapng 'frame.interface_description == "dumpcap.pcapng lo (Loopback)"')
	[ "$(tshark -r all.pcapng -Y 'frame.comment == "look here"' -T fields -e frame.interface_name 2>/dev/null)" = editcap.pcapng ]
}

@test "an archive merges by corrected time, a clock that is 750 ms ahead included" {
	run -0 --separate-stderr merge three.tar.zst --force
	[ "$output" = three-merged.pcapng ]
	[[ $stderr == *'less than 0.140 ms apart: the clock of node3 is known to 0.090 ms, that of node2 to 0.050 ms'* ]]
	times three-merged.pcapng | sort -c -n
	# the packets are one traffic, dealt out in turns: true order is its order
	diff <(tshark -r corpus/dumpcap.pcapng -x 2>/dev/null) <(tshark -r three-merged.pcapng -x 2>/dev/null)
	[ "$(tshark -r three-merged.pcapng -T fields -e frame.interface_description 2>/dev/null | head -n 6 | grep -o 'node.' | tr '\n' ' ')" = 'node1 node2 node3 node1 node2 node3 ' ]
	[ "$(tshark -r three-merged.pcapng -Y 'frame.interface_description contains "node2"' -T fields -e frame.interface_description 2>/dev/null | sort -u)" = \
		'web.2.abcdef@node2 eth0 (app 10.0.1.5/24)' ]
	[ "$(tshark -r three-merged.pcapng -T fields -e frame.interface_name 2>/dev/null | sort -u)" = eth0 ]
	capinfos three-merged.pcapng | grep 'Capture comment' | grep -F 'node2: clock +750.000000 ms, known to 0.050000 ms'
	tshark -N n -r three-merged.pcapng 2>/dev/null | grep -q 'local.task'
}

@test "without correction node2's packets stand at the end, and the notes say so" {
	run -0 --separate-stderr merge --no-clock-correction three.tar.zst --force -o raw.pcapng --json
	[ "$(jq -r '.packets' <<<"$output")" = 60 ]
	jq -r '.notes[]' <<<"$output" | grep -q 'clocks were not corrected'
	tshark -r raw.pcapng -T fields -e frame.interface_description 2>/dev/null | tail -n 1 | grep -q node2
	times raw.pcapng | sort -c -n
}

@test "a file of another tool goes into an archive's timeline, with a name and a clock of its own" {
	editcap -F pcap -t 0.003 corpus/tcpdump.pcap lb.pcap
	run -0 --separate-stderr merge three.tar.zst lb.pcap=edge1,offset=+3ms -o - >both.pcapng
	"$BUILD/swarmcap" -q archive merge three.tar.zst lb.pcap=edge1,offset=+3ms -o - >both.pcapng
	[ "$(times both.pcapng | wc -l)" -eq 120 ]
	times both.pcapng | sort -c -n
	diff <(times corpus/tcpdump.pcap | cut -c-17) \
		<(tshark -r both.pcapng -Y 'frame.interface_name == "edge1"' -T fields -e frame.time_epoch 2>/dev/null | cut -c-17)
	run -1 "$BUILD/swarmcap" archive merge lb.pcap,offset=3 -o x.pcapng
	run -1 "$BUILD/swarmcap" archive merge three.tar.zst=name -o x.pcapng
	[[ $output == *"'three.tar.zst' is no capture file: only one takes a name"* ]]
	[ ! -e x.pcapng ]
}

@test "all kinds of archives, and a folder, merge to the same file, and nothing else is left" {
	local kind
	(cd three.folder && zip -qr ../kinds.zip three && tar -cf ../kinds.tar three && tar -czf ../kinds.tar.gz three && cp -r three ../kinds)
	for kind in kinds.zip kinds.tar kinds.tar.gz kinds/; do
		merge -q "$kind" -o "kind.pcapng" --force
		cmp three-merged.pcapng kind.pcapng
	done
	run -2 ls -d .*.partial-* swarmcap-*
}

@test "files that end inside a packet, or are damaged, merge up to there and say so" {
	head -c -10 corpus/tcpdump.pcap >cut.pcap
	(head -c 2000 corpus/dumpcap.pcapng && head -c 4000 /dev/zero) >damaged.pcapng
	run -3 --separate-stderr merge cut.pcap damaged.pcapng corpus/nano.pcap -o partial.pcapng --force
	[[ $stderr == *"'cut.pcap': the capture ends inside a packet, at byte "*"; its 59 packets before that are merged"* ]]
	[[ $stderr == *"'damaged.pcapng': damaged at byte "* ]]
	[ "$(tshark -r partial.pcapng -Y 'frame.interface_name == "cut.pcap"' 2>/dev/null | wc -l)" -eq 59 ]
	[ "$(tshark -r partial.pcapng -Y 'frame.interface_name == "nano.pcap"' 2>/dev/null | wc -l)" -eq 60 ]
}

@test "outputs: nothing is replaced without --force, and what cannot be merged leaves nothing" {
	echo old >old.pcapng
	run -2 "$BUILD/swarmcap" archive merge corpus/nano.pcap -o old.pcapng
	[ "$(cat old.pcapng)" = old ]
	run -1 "$BUILD/swarmcap" archive merge corpus/nano.pcap /etc/passwd -o new.pcapng
	[[ $output == *"cannot read the archive '/etc/passwd'"* ]]
	run -1 "$BUILD/swarmcap" archive merge corpus/nano.pcap none.pcap -o new.pcapng
	[[ $output == *"cannot open 'none.pcap': No such file or directory"* ]]
	run -2 "$BUILD/swarmcap" archive merge corpus/nano.pcap -o - --json
	run -2 "$BUILD/swarmcap" archive
	[[ $output == *"no command 'archive' alone: archive info, archive verify, archive merge"* ]]
	run -2 ls -d new.pcapng .new.pcapng*
}

@test "a thousand files merge, with few megabytes each" {
	local i
	mkdir -p many
	for i in $(seq 1000); do cp corpus/nano.pcap "many/$i.pcap"; done
	(ulimit -S -n 256 && merge -q many/*.pcap -o many.pcapng --force)
	[ "$(count many.pcapng)" -eq 60000 ]
	capinfos many.pcapng | grep -q 'Strict time order:   True'
}

@test "info tells what is in an archive without unpacking it" {
	mkdir -p empty
	cd empty
	run -0 --separate-stderr "$BUILD/swarmcap" archive info ../three.tar.zst
	[ -z "$(ls -A)" ]
	grep -qE '^capture +20261123T143905Z-3fa9c1 of web, by swarmcap 0.1.0$' <<<"$output"
	grep -qE '^sum +3 targets, 3 files, 60 packets, .*, 9 dropped, 0 missing$' <<<"$output"
	grep -qE '^node2 +agent +0.1.0 +\+750.000 ms +0.050 ms$' <<<"$output"
	grep -qE '^web.2.abcdef +node2 +1 +20 +[0-9.]+ KiB +3 +20.*Z +20.*Z +duration$' <<<"$output"
	run -0 --separate-stderr "$BUILD/swarmcap" archive info --json ../three.tar.zst
	[ "$(jq -r 'select(.event == "archive") | .packets' <<<"$output")" = 60 ]
	[ "$(jq -r 'select(.event == "target") | .task' <<<"$output" | sort | tr '\n' ' ')" = 'web.1 web.2 web.3 ' ]
	run -1 "$BUILD/swarmcap" archive info ../corpus/nano.pcap
}

# broken COMMAND...: a copy of the archive's folder in which COMMAND was run does not verify; output says why
broken() {
	rm -rf broken.folder && cp -r three.folder broken.folder
	(cd broken.folder/three && eval "$*")
	tar --zstd -C broken.folder -cf broken.tar.zst three
	run -1 "$BUILD/swarmcap" archive verify broken.tar.zst
}

@test "verify: a good archive is good, and each damage is told" {
	local f=node1-web.1.abcdef-2026-11-23_14-39-05.pcapng
	run -0 "$BUILD/swarmcap" archive verify three.tar.zst
	[[ $output == *"'three.tar.zst' is good: 3 files, 60 packets, "* ]]
	run -0 --separate-stderr "$BUILD/swarmcap" archive verify --json three.folder/three
	[ "$(jq -r '.problems' <<<"$output")" = 0 ]
	broken "printf x | dd of=$f bs=1 seek=600 conv=notrunc status=none"
	[[ $output == *"$f: its digest is not the one in SHA256SUMS"* ]]
	[[ $output == *"$f: its digest is not the one in the manifest"* ]]
	broken "truncate -s -3 $f; sums ."
	[[ $output == *"$f: the capture ends inside a block"* ]]
	broken "rm $f"
	[[ $output == *"$f: it is in SHA256SUMS, but not there"* ]]
	[[ $output == *"$f: it is in the manifest, but not there"* ]]
	broken "echo more >more"
	[[ $output == *"more: it is not in SHA256SUMS"* ]]
	broken "jq '.targets[0].files[0].packets = 7' manifest.json >m && mv m manifest.json && sums ."
	[[ $output == *"$f: it has 20 packets, the manifest says 7"* ]]
	broken "jq '.targets[0].packets = 7' manifest.json >m && mv m manifest.json && sums ."
	[[ $output == *"manifest.json: web.1.abcdef has 7 packets, its files 20"* ]]
	head -c 3000 three.tar.zst >half.tar.zst
	run -1 "$BUILD/swarmcap" archive verify half.tar.zst
	run -1 "$BUILD/swarmcap" archive verify corpus/nano.pcap
}

# hostile FILE WHAT: neither verify, info nor merge believes it, and nothing is written
hostile() {
	local c before
	before=$(find "$WORK" /tmp/swarmcap-evil* 2>/dev/null | sort | sha256sum)
	for c in verify "merge -o evil.pcapng"; do
		# shellcheck disable=SC2086
		run -1 "$BUILD/swarmcap" archive $c "$1"
		[[ $output == *"$2"* ]]
	done
	[ "$(find "$WORK" /tmp/swarmcap-evil* 2>/dev/null | sort | sha256sum)" = "$before" ]
}

@test "hostile archives are refused: paths, links, bombs, wrong counts" {
	mkdir -p evil
	cd evil
	cp -r ../three.folder/three .
	tar --zstd -cf path.tar.zst --transform='s,three/hosts,three/../../swarmcap-evil,' three
	hostile path.tar.zst 'no name of a capture'
	tar -P --zstd -cf absolute.tar.zst --transform='s,three/hosts,/tmp/swarmcap-evil,' three
	hostile absolute.tar.zst 'no path of a capture'
	cp -r three links && ln -s /etc/passwd links/passwd
	tar --zstd -cf link.tar.zst links
	hostile link.tar.zst 'no plain file'
	rm links/passwd && ln links/hosts links/again
	tar --zstd -cf hard.tar.zst links
	hostile hard.tar.zst 'no plain file'
	tar -cf two.tar three --transform='s,three/hosts,three/SHA256SUMS,'
	hostile two.tar 'there twice'
	cp -r three bomb && truncate -s 4G bomb/zeros
	tar --zstd -cf bomb.tar.zst --hole-detection=raw bomb
	rm -r bomb
	[ "$(stat -c %s bomb.tar.zst)" -lt 2000000 ]
	hostile bomb.tar.zst 'more bytes than it may'
	cp -r three counts && jq '.targets[0].files[0].bytes = 1e18' three/manifest.json >counts/manifest.json
	tar -cf counts.tar counts
	hostile counts.tar 'the manifest is damaged'
	jq '.targets[0].files[0].name = "../../etc/passwd"' three/manifest.json >counts/manifest.json
	tar -cf names.tar counts
	hostile names.tar 'the manifest is damaged: the name of a file'
	(cd three && tar -cf ../flat.tar .)
	hostile flat.tar 'no path of a capture'
}

#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The Engine is looked for where docker's own client looks, over a table of options and environments. Nobody listens at any
# of the places: both programs name the one that they tried. Over ssh a stand-in for ssh writes down whom it was to reach.

bats_require_minimum_version 1.5.0
top=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
export BUILD=${BUILD:-$top/build}
# Debian's; another may come first in PATH
docker=/usr/bin/docker

setup_file() {
	export DOCKER_CONFIG=$BATS_FILE_TMPDIR/docker FAKE=$BATS_FILE_TMPDIR/bin CERTS=$BATS_FILE_TMPDIR/certs
	mkdir -p "$DOCKER_CONFIG" "$FAKE" "$CERTS"
	cat >"$FAKE/ssh" <<-'END'
		#!/bin/sh
		user= port=
		while [ $# -gt 0 ]; do
			case $1 in
			-l) user=$2; shift ;;
			-p) port=$2; shift ;;
			-o | -F) shift ;;
			--) shift; break ;;
			-*) ;;
			*) break ;;
			esac
			shift
		done
		echo "ssh://$user@$1:$port" >>"$SSH_LOG"
		exit 1
	END
	chmod +x "$FAKE/ssh"
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=lab -addext subjectAltName=IP:127.0.0.1 \
		-keyout "$CERTS/key.pem" -out "$CERTS/cert.pem" 2>/dev/null
	cp "$CERTS/cert.pem" "$CERTS/ca.pem"
	$docker context create sock --docker host=unix:///run/no-context.sock
	$docker context create tcp --docker host=tcp://127.0.0.1:11
	$docker context create far --docker host=ssh://ctx@far.example:2222
}

# asked PROGRAM...: the place that it names, as scheme://host:port/path; TLS is "https"
asked() {
	local words
	: >"$BATS_TEST_TMPDIR/ssh"
	words=$(timeout 20 env "${env[@]}" SSH_LOG="$BATS_TEST_TMPDIR/ssh" PATH="$FAKE:/usr/sbin:/usr/bin:/sbin:/bin" "$@" 2>&1 </dev/null) || true
	if [ -s "$BATS_TEST_TMPDIR/ssh" ]; then
		sort -u "$BATS_TEST_TMPDIR/ssh" | head -n 1
	elif [[ $words == *'Get "http'* ]]; then
		sed -nE 's|.*Get "(http[^"]*)/v1\.[0-9]+/.*|\1|p' <<<"$words" | sed 's|^http:|tcp:|'
	elif [[ $words =~ 'daemon at '([^ ]+)'. Is' ]]; then
		echo "${BASH_REMATCH[1]}"
	elif [[ $words =~ 'cannot reach Docker at '([^ ]+): ]]; then
		echo "${BASH_REMATCH[1]}"
	else
		echo "refused"
	fi
}

# same [OPTION...]: both programs with the environment in `env`
same() {
	local theirs ours
	rows=$((rows + 1))
	theirs=$(asked $docker "$@" version)
	ours=$(asked "$BUILD/swarmcap" "$@" ls)
	[ "${theirs%/}" = "${ours%/}" ] || { echo "env ${env[*]}, options $*: docker asks $theirs, swarmcap $ours"; bad=1; }
}

@test "options, variables and contexts choose the endpoint that docker chooses" {
	local rows=0 bad=0 env=() base=(HOME="$BATS_TEST_TMPDIR")
	env=("${base[@]}")
	same -H unix:///run/no.sock
	same -H tcp://127.0.0.1:1
	same -H tcp://127.0.0.1
	same -H 127.0.0.1:7
	same -H 127.0.0.1
	same -H tcp://[::1]:7
	same -H ssh://admin@far.example
	same -H ssh://admin@far.example:2200
	same -H nonsense://x
	same -H ssh://admin:secret@far.example
	same --context sock
	same --context tcp
	same --context far
	same --context nosuch
	same -c tcp
	same --context tcp -H unix:///run/no.sock
	for env in "DOCKER_HOST=unix:///run/no.sock" "DOCKER_HOST=tcp://127.0.0.1:3" "DOCKER_HOST=ssh://u@far.example" DOCKER_CONTEXT=sock DOCKER_CONTEXT=far \
		DOCKER_CONTEXT=nosuch; do
		env=("${base[@]}" "$env")
		same
	done
	env=("${base[@]}" DOCKER_HOST=tcp://127.0.0.1:3 DOCKER_CONTEXT=sock)
	same
	same -H tcp://127.0.0.1:4
	same --context tcp
	same --context default
	# proxies are never asked (docker asks them); a socket's path over ssh is of later dockers than 20.10
	env=("${base[@]}" http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 all_proxy=http://127.0.0.1:9 DOCKER_HOST=tcp://127.0.0.1:3)
	[ "$(asked "$BUILD/swarmcap" ls)" = tcp://127.0.0.1:3 ]
	[ "$(asked "$BUILD/swarmcap" -H ssh://far.example/run/other.sock ls)" = ssh://@far.example: ]
	echo '{"currentContext": "sock"}' >"$BATS_TEST_TMPDIR/config.json"
	cp "$BATS_TEST_TMPDIR/config.json" "$DOCKER_CONFIG/config.json"
	env=("${base[@]}")
	same
	same -H tcp://127.0.0.1:4
	same --context far
	env=("${base[@]}" DOCKER_CONTEXT=tcp)
	same
	env=("${base[@]}" DOCKER_HOST=tcp://127.0.0.1:3)
	same
	rm "$DOCKER_CONFIG/config.json"
	[ "$rows" -ge 30 ]
	[ $bad -eq 0 ]
}

# ---- TLS, by a server that is not ours: what it answers is no Engine, but the handshake is real

serve_tls() {
	openssl s_server -accept 127.0.0.1:"$1" -cert "$CERTS/cert.pem" -key "$CERTS/key.pem" -CAfile "$CERTS/ca.pem" -www "${@:2}" \
		>"$BATS_TEST_TMPDIR/server" 2>&1 3>&- &
	server=$!
	for _ in $(seq 50); do
		! grep -q ACCEPT "$BATS_TEST_TMPDIR/server" || return 0
		sleep 0.1
	done
}

teardown() { [ -z "${server:-}" ] || kill "$server" 2>/dev/null || true; }

@test "TLS to an Engine: contexts, variables and options; who cannot prove itself is refused" {
	local swarmcap=(env HOME="$BATS_TEST_TMPDIR" "$BUILD/swarmcap")
	serve_tls 24376 -Verify 1
	$docker context create tls --docker "host=tcp://127.0.0.1:24376,ca=$CERTS/ca.pem,cert=$CERTS/cert.pem,key=$CERTS/key.pem"
	# the server is no Docker: that it was understood to be none means that TLS went through
	run -1 "${swarmcap[@]}" --context tls ls
	[[ $output == *'is not Docker'* || $output == *'Docker answered'* ]]
	run -1 env DOCKER_HOST=tcp://127.0.0.1:24376 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH="$CERTS" "${swarmcap[@]}" ls
	[[ $output == *'is not Docker'* || $output == *'Docker answered'* ]]
	run -1 "${swarmcap[@]}" -H tcp://127.0.0.1:24376 --tlsverify --tlscacert "$CERTS/ca.pem" --tlscert "$CERTS/cert.pem" --tlskey "$CERTS/key.pem" ls
	[[ $output == *'is not Docker'* || $output == *'Docker answered'* ]]
	# no client certificate, where the server demands one
	mkdir "$BATS_TEST_TMPDIR/bare"
	cp "$CERTS/ca.pem" "$BATS_TEST_TMPDIR/bare"
	run -1 env DOCKER_HOST=tcp://127.0.0.1:24376 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH="$BATS_TEST_TMPDIR/bare" "${swarmcap[@]}" ls
	[[ $output != *'is not Docker'* && $output != *'Docker answered'* ]]
	# another authority
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other -keyout "$BATS_TEST_TMPDIR/other.key" -out "$BATS_TEST_TMPDIR/bare/ca.pem" 2>/dev/null
	run -1 "${swarmcap[@]}" -H tcp://127.0.0.1:24376 --tlsverify --tlscacert "$BATS_TEST_TMPDIR/bare/ca.pem" --tlscert "$CERTS/cert.pem" \
		--tlskey "$CERTS/key.pem" ls
	[[ $output == *TLS* ]]
	# --tls asks for no proof
	run -1 "${swarmcap[@]}" -H tcp://127.0.0.1:24376 --tls --tlscacert "$BATS_TEST_TMPDIR/bare/ca.pem" --tlscert "$CERTS/cert.pem" \
		--tlskey "$CERTS/key.pem" ls
	[[ $output == *'is not Docker'* || $output == *'Docker answered'* ]]
	# nor does a context that says so; without that word it does
	local context="host=tcp://127.0.0.1:24376,ca=$BATS_TEST_TMPDIR/bare/ca.pem,cert=$CERTS/cert.pem,key=$CERTS/key.pem"
	$docker context create doubting --docker "$context"
	$docker context create trusting --docker "$context,skip-tls-verify=true"
	run -1 "${swarmcap[@]}" --context doubting ls
	[[ $output == *TLS* ]]
	run -1 "${swarmcap[@]}" --context trusting ls
	[[ $output == *'is not Docker'* || $output == *'Docker answered'* ]]
	# plain HTTP is not tried
	run -1 "${swarmcap[@]}" -H tcp://127.0.0.1:24376 ls
	[[ $output != *'Docker answered'* ]]
}

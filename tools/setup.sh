#!/bin/bash
# Makes a tree ready: system packages that are missing, .venv, and the extension when its sources changed.
# Quick when there is nothing to do. Arguments are Debian packages wanted beside the usual ones.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "setup: $*"; }
fail() { printf '%s\n' "setup: $*" >&2; exit 1; }

# Runs a command quietly; what it said is shown only if it fails.
quietly() {
	local log="build/$1.log" complaint="$2"
	shift 2
	"$@" >"$log" 2>&1 || {
		cat "$log" >&2
		fail "$complaint"
	}
}

system_packages() {
	local wanted=(python3 python3-venv python3-dev gcc libc6-dev iproute2 openssl tcpdump tshark \
		wireshark-common xxd "$@") missing=() name
	command -v dpkg-query >/dev/null ||
		fail "this is not a Debian system: install the counterparts of ${wanted[*]} and see tools/setup.sh for the rest"
	for name in "${wanted[@]}"; do
		[[ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" == installed ]] || missing+=("$name")
	done
	((${#missing[@]})) || return 0
	((EUID == 0)) || fail "run as root, or install first: apt-get install ${missing[*]}"
	say "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	quietly apt-update "apt-get could not update its lists" apt-get update
	quietly apt "apt-get could not install ${missing[*]}" \
		apt-get install -y --no-install-recommends "${missing[@]}"
}

# Debian's own Python first: it has the headers installed above, which another one in PATH may lack.
python() {
	local candidate
	for candidate in /usr/bin/python3 python3.13 python3.12 python3.11 python3; do
		"$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
		command -v "$candidate"
		return
	done
	fail "mobileip needs Python 3.11 or later, and /usr/bin/python3 is $(/usr/bin/python3 -V 2>&1)"
}

# Scripts in a virtual environment and the editable install name absolute paths, so a tree that was moved
# needs a new one.
environment() {
	local python place contents
	python="$(python)"
	place="$PWD $("$python" -V)"
	contents="$(cat pyproject.toml setup.py | sha256sum)"
	[[ "$(cat .venv/stamp 2>/dev/null)" == "$place"$'\n'"$contents" ]] && return
	if [[ "$(head -n 1 .venv/stamp 2>/dev/null)" != "$place" ]]; then
		say "making .venv with $python"
		quietly venv "no virtual environment" "$python" -m venv --clear .venv
	fi
	say "installing mobileip and its dependencies into .venv"
	quietly pip "pip could not install mobileip" \
		.venv/bin/pip install --disable-pip-version-check --editable '.[test,dev,bench]'
	printf '%s\n' "$place" "$contents" >.venv/stamp
}

extension() {
	local wanted load='from mobileip.dataplane._core import SOURCE_HASH; print(SOURCE_HASH)'
	wanted="$(.venv/bin/python tools/source_hash.py)"
	[[ "$(.venv/bin/python -c "$load" 2>/dev/null)" == "$wanted" ]] && return
	say "compiling the extension"
	quietly extension "the extension does not compile" .venv/bin/python setup.py build_ext --inplace --force
	quietly load "the extension was compiled but does not load" .venv/bin/python -c "$load"
}

[[ -w . && ( ! -e build || -w build ) ]] || fail "no right to write in $PWD: run as its owner or as root"
mkdir -p build
exec 9>build/setup.lock
flock 9
system_packages "$@"
environment
extension

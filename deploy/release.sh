#!/usr/bin/env bash
# Builds what is published with a release: for each architecture an archive with the programs and a list of what each is made
# of (SBOM, CycloneDX), checksums of all, and the release's notes. The same source, version and Go give the same bytes, wherever
# and whenever it runs.
#
#   deploy/release.sh VERSION DIRECTORY
#
# VERSION is a tag, vMAJOR.MINOR.PATCH, whose section CHANGELOG.md has to have; or what git describes a commit as, to try it.
# It takes the commit's time from SOURCE_DATE_EPOCH or from git; GO and CYCLONEDX are the programs that `make release` names.
set -euo pipefail

version=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
cd "$(dirname "$0")/.."

fail() {
  echo "release: $*" >&2
  exit 1
}

[ -z "$(ls -A "$out")" ] || fail "$out is not empty"
section=Unreleased
case $version in
  v*)
    # The parts of https://semver.org, without what stands for a build.
    [[ $version =~ ^v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?$ ]] || fail "$version is no semantic version"
    # Between two tags git describes a commit as v1.2.3-4-gabcdef0.
    [[ $version =~ -[0-9]+-g[0-9a-f]+(-dirty)?$ || $version == *-dirty ]] || section=${version#v}
    ;;
esac
# A section's heading may have its date behind it.
notes=$(awk -v section="$section" '/^## /{on = $2 == section; next} on' CHANGELOG.md)
[ -n "${notes//[[:space:]]/}" ] || fail "CHANGELOG.md has no section $section"

export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
time=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
export LC_ALL=C TZ=UTC CGO_ENABLED=0 GOFLAGS='' GOEXPERIMENT='' GOAMD64=v1 GOARM64=v8.0
umask 022

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for arch in amd64 arm64; do
  name=pulsegate-$version-linux-$arch
  mkdir "$work/$name"
  GOOS=linux GOARCH=$arch ${GO:-go} build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$version" -o "$work/$name/" ./cmd/pulsegate ./cmd/pulsegate-bench
  for program in pulsegate pulsegate-bench; do
    # The time of making and the hashes of the tool itself differ from one machine to the next.
    $CYCLONEDX bin -json -noserial -std -version "$version" "$work/$name/$program" |
      sed -e "s/^    \"timestamp\": \".*\",\$/    \"timestamp\": \"$time\",/" \
        -e '/^        "name": "cyclonedx-gomod",$/,/^        "externalReferences"/{/^        "hashes": \[$/,/^        \],$/d}' \
        >"$out/$program-$version-linux-$arch.cdx.json"
  done
  cp LICENSE README.md CHANGELOG.md SECURITY.md conf/websocket.conf "$work/$name/"
  chmod 644 "$work/$name"/*.md "$work/$name/LICENSE" "$work/$name/websocket.conf"
  chmod 755 "$work/$name" "$work/$name/pulsegate" "$work/$name/pulsegate-bench"
  tar -C "$work" --sort=name --format=ustar --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -cf - "$name" |
    gzip -9n >"$out/$name.tar.gz"
done

(cd "$out" && sha256sum -- *.tar.gz *.cdx.json >SHA256SUMS)
printf '%s\n' "$notes" | sed -e '/./,$!d' >"$out/NOTES.md"
echo "release: $version is in $out"

#!/bin/sh
# Which hand-written files an addition touches: one line of numbers and the list for each commit of BASE..BRANCH.
#   deploy/tools/touched.sh main a-branch-with-one-commit-for-each-addition
# What make generate writes is not counted, nor are goldens and the change log.
set -eu
[ $# = 2 ] || { echo "usage: $0 BASE BRANCH" >&2; exit 64; }
generated='\.pb\.go$|^events/asyncapi\.json$|/testdata/goldens/|/testdata/(rapid|fuzz)/|\.binpb$|\.gz$|^CHANGELOG\.md$|^deploy/DECISIONS\.md$'
git log --reverse --format=%H "$1..$2" | while read -r commit; do
  files=$(git show --format= --name-only "$commit" | grep -Ev "$generated" || true)
  tests=$(printf '%s\n' "$files" | grep -c '_test\.go$' || true)
  printf '%s: %d files, %d of them tests\n' "$(git show -s --format=%s "$commit")" "$(printf '%s\n' "$files" | grep -c .)" "$tests"
  printf '%s\n' "$files" | sed 's/^/  /'
done

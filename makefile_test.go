package defenderincidentsreceiver

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMakeListsEachOfItsTargets(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	require.NoError(t, err)
	targets := regexp.MustCompile(`(?m)^\.PHONY: (\S+)$`).FindAllStringSubmatch(string(makefile), -1)
	require.Greater(t, len(targets), 10)
	for _, target := range targets {
		require.Regexp(t, `(?m)^`+target[1]+`:.*## [A-Z].*`, string(makefile), "%s has no line in `make help`", target[1])
	}
}

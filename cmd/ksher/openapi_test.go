package main

import (
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// flagData is a flag in openapi.yaml.
type flagData struct {
	Name, Env, Type string
	Repeated        bool     `yaml:",omitempty"`
	Separator       string   `yaml:",omitempty"`
	Enum            []string `yaml:",flow,omitempty"`
	Default         string   `yaml:",omitempty"`
	Help            string
}

func newFlagData(f *kong.Flag) flagData {
	kinds := map[string]string{"string": "string", "bool": "boolean", "float64": "number"}
	d := flagData{
		Name: f.Name, Env: f.Envs[0], Type: kinds[strings.TrimPrefix(f.Target.Type().String(), "[]")],
		Repeated: f.IsSlice(), Default: f.Default, Help: f.Help,
	}
	if f.IsSlice() && f.Tag.Sep > 0 {
		d.Separator = string(f.Tag.Sep)
	}
	if f.Enum != "" {
		d.Enum = strings.Split(f.Enum, ",")
	}
	return d
}

// TestFlagsAreInOpenAPI compares the flags that there are with those in openapi.yaml.
func TestFlagsAreInOpenAPI(t *testing.T) {
	text, err := os.ReadFile("../../internal/sandbox/console/openapi.yaml")
	require.NoError(t, err)
	var file struct {
		Flags []flagData `yaml:"x-flags"`
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	parser, err := newParser(&commands{})
	require.NoError(t, err)
	var flags []flagData
	for _, command := range parser.Model.Children {
		if command.Name != "sandbox" {
			continue
		}
		for _, f := range command.Flags {
			flags = append(flags, newFlagData(f))
		}
	}
	assert.NotEmpty(t, flags)
	want, err := yaml.Marshal(map[string]any{"x-flags": flags})
	require.NoError(t, err)
	assert.Equal(t, flags, file.Flags, "it should be:\n%s", want)
}

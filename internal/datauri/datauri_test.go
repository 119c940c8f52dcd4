package datauri_test

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/datauri"
)

const (
	png = "\x89PNG\r\n\x1a\nA>>>???\xfb"
	svg = `<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h1+1"/></svg>`
)

var encoded = base64.StdEncoding.EncodeToString([]byte(png))

func TestImage(t *testing.T) {
	require.Contains(t, encoded, "+")
	require.Contains(t, encoded, "/")
	require.True(t, strings.HasSuffix(encoded, "="))
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	tests := map[string]struct{ uri, want, mediaType string }{
		"PNG":                         {"data:image/png;base64," + encoded, png, "image/png"},
		"scheme in capitals":          {"DATA:image/png;base64," + encoded, png, "image/png"},
		"type in capitals":            {"data:IMAGE/PNG;base64," + encoded, png, "image/png"},
		"base64 in capitals":          {"data:image/png;BASE64," + encoded, png, "image/png"},
		"parameter":                   {"data:image/png;charset=utf-8;base64," + encoded, png, "image/png"},
		"name":                        {"data:image/png;name=qr.png;base64," + encoded, png, "image/png"},
		"blanks before the comma":     {"data: image/png ; base64 ," + encoded, png, "image/png"},
		"blanks around":               {" \n\x01data:image/png;base64," + encoded + "\r\n ", png, "image/png"},
		"newline in the scheme":       {"da\nta:image/\tpng;base64," + encoded, png, "image/png"},
		"MIME lines":                  {"data:image/png;base64," + encoded[:8] + "\r\n" + encoded[8:], png, "image/png"},
		"blanks in base64":            {"data:image/png;base64, " + encoded[:3] + " \f" + encoded[3:], png, "image/png"},
		"blanks in base64, escaped":   {"data:image/png;base64,%20" + encoded[:3] + "%0D%0a" + encoded[3:], png, "image/png"},
		"no padding":                  {"data:image/png;base64," + strings.TrimRight(encoded, "="), png, "image/png"},
		"padding and blank":           {"data:image/png;base64," + encoded + " \n", png, "image/png"},
		"base64 escaped":              {"data:image/png;base64," + url.QueryEscape(encoded), png, "image/png"},
		"bits left over":              {"data:image/png;base64,iVBORw0KGgr=", png[:7] + "\n", "image/png"},
		"fragment":                    {"data:image/png;base64," + encoded + "#qr", png, "image/png"},
		"base64 twice":                {"data:image/png;base64;base64," + encoded, png, "image/png"},
		"not in base64":               {"data:image/png," + url.PathEscape(png), png, "image/png"},
		"JPEG called PNG":             {"data:image/png;base64," + encode("\xff\xd8\xff\xe0"), "\xff\xd8\xff\xe0", "image/jpeg"},
		"GIF":                         {"data:image/gif;base64," + encode("GIF89a"), "GIF89a", "image/gif"},
		"WebP":                        {"data:image/webp;base64," + encode("RIFF1234WEBPVP8 "), "RIFF1234WEBPVP8 ", "image/webp"},
		"SVG in base64":               {"data:image/svg+xml;charset=utf-8;base64," + encode(svg), svg, "image/svg+xml"},
		"SVG with the customary utf8": {"data:image/svg+xml;utf8," + url.PathEscape(svg), svg, "image/svg+xml"},
		"SVG as it is":                {"data:image/svg+xml," + svg, svg, "image/svg+xml"},
		"SVG of another charset":      {"data:image/svg+xml," + `<?xml version="1.0" encoding="latin1"?>` + svg, `<?xml version="1.0" encoding="latin1"?>` + svg, "image/svg+xml"},
		"SVG with a mark":             {"data:image/svg+xml,%ef%bb%bf" + svg, "\ufeff" + svg, "image/svg+xml"},
		"percent sign alone":          {"data:image/svg+xml," + strings.Replace(svg, "1+1", "1%", 1), strings.Replace(svg, "1+1", "1%", 1), "image/svg+xml"},

		"empty":                     {uri: ""},
		"scheme alone":              {uri: "data:"},
		"address":                   {uri: "https://api.mch.ksher.net/qr.png"},
		"script":                    {uri: "javascript:image/png,alert(1)"},
		"base64 alone":              {uri: encoded},
		"no comma":                  {uri: "data:image/png;base64"},
		"no content":                {uri: "data:image/png;base64,"},
		"no content but padding":    {uri: "data:image/png;base64,===="},
		"no content, not base64":    {uri: "data:image/svg+xml,"},
		"all in the fragment":       {uri: "data:image/png;base64,#" + encoded},
		"base64 not said":           {uri: "data:image/png," + encoded},
		"base64 not said right":     {uri: "data:image/png;xbase64," + encoded},
		"base64 without semicolon":  {uri: "data:image/png base64," + encoded},
		"base64 with a value":       {uri: "data:image/png;base64=," + encoded},
		"not base64":                {uri: "data:image/png;base64," + encoded[:8] + "*" + encoded[9:]},
		"for addresses":             {uri: "data:image/png;base64," + base64.URLEncoding.EncodeToString([]byte(png))},
		"one character over":        {uri: "data:image/png;base64," + encoded + "AAAAA"},
		"padding too long":          {uri: "data:image/png;base64," + encoded + "="},
		"padding in the middle":     {uri: "data:image/png;base64,iVBORw0KGgo=iVBORw0KGgo="},
		"bad escape in base64":      {uri: "data:image/png;base64,%zz" + encoded},
		"no type":                   {uri: "data:;base64," + encoded},
		"no type at all":            {uri: "data:,hi"},
		"text":                      {uri: "data:text/plain;base64," + encoded},
		"no real type":              {uri: "data:image;base64," + encoded},
		"HTML":                      {uri: "data:text/html,<script>alert(1)</script>"},
		"not a picture":             {uri: "data:image/png;base64," + encode("hello")},
		"base64 of base64":          {uri: "data:image/png;base64," + encode(encoded)},
		"HTML called PNG":           {uri: "data:image/png,<script>alert(1)</script>"},
		"SVG called PNG":            {uri: "data:image/png," + svg},
		"PNG called SVG":            {uri: "data:image/svg+xml;base64," + encoded},
		"SVG cut off by a fragment": {uri: `data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg"><path fill="#fff"/></svg>`},
		"SVG without its namespace": {uri: "data:image/svg+xml,<svg/>"},
		"two roots":                 {uri: "data:image/svg+xml," + svg + svg},
		"text after SVG":            {uri: "data:image/svg+xml," + svg + "x"},
		"HTML called SVG":           {uri: "data:image/svg+xml,<html></html>"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			picture, mediaType, err := datauri.Image(tt.uri)
			if tt.want == "" {
				require.Error(t, err)
				assert.Nil(t, picture)
				assert.Empty(t, mediaType)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(picture))
			assert.Equal(t, tt.mediaType, mediaType)
		})
	}
}

func FuzzImage(f *testing.F) {
	for _, seed := range []string{
		"", "data:", "data:,", "data:image/png;base64,", "data:image/png;base64," + encoded, "data:image/png;base64,aGVsbG8", "data:image/png;base64,%%%",
		"data:image/svg+xml," + svg, "data:image/svg+xml;charset=utf-8,<svg/>", "data:text/html,<script>", "data:image/png", "image/png;base64,aGVsbG8=",
		"data:IMAGE/PNG;base64,iVBORw0KGgo", "data:image/,x", "data:image/png;base64;base64,iVBORw0KGgo=", "data:image/png;a=\"b,c\",x", "https://example.com/x.png",
		"data:image/png;base64,iVBO\nRw0KGgo=", "data:;base64,aGVsbG8=", "data:image/svg+xml,%zz", "data:image/gif,GIF89a#x", "data:image/svg+xml,%EF%BB%BF" + svg,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		picture, mediaType, err := datauri.Image(uri)
		if err != nil {
			require.Nil(t, picture)
			require.Empty(t, mediaType)
			require.Less(t, len(err.Error()), 100)
			return
		}
		require.NotEmpty(t, picture)
		require.True(t, strings.HasPrefix(mediaType, "image/"), "%q", mediaType)
		require.NotContains(t, mediaType, ";")
		head, body, _ := strings.Cut(uri, ",")
		require.False(t, strings.HasSuffix(head, ";base64") && bytes.Equal(picture, []byte(body)), "it is the text itself")
		again, againType, err := datauri.Image("data:" + mediaType + ";base64," + base64.StdEncoding.EncodeToString(picture))
		require.NoError(t, err)
		require.Equal(t, picture, again)
		require.Equal(t, mediaType, againType)
	})
}

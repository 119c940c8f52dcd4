package kshertest

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// 0x29B1 is the check value that catalogues of CRCs give for this one.
func TestCRC16(t *testing.T) {
	assert.Equal(t, uint16(0x29B1), crc16("123456789"))
}

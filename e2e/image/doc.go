// SPDX-License-Identifier: Apache-2.0

// Package image tests the container image. tools/image-test.sh builds it, unpacks
// its root file system, and runs the tests as root in a mount namespace of their
// own.
package image

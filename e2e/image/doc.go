// SPDX-License-Identifier: Apache-2.0

// Package image tests the container images. tools/image-test.sh builds them, unpacks
// the root file system of each, and runs the tests as root in a mount namespace of
// their own.
package image

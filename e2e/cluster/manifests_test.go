// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
)

const (
	// manifestsDir is the directory of the manifests.
	manifestsDir = "../../deploy/kubernetes"
	// manifestsLimit is for all tests of the manifests together.
	manifestsLimit = 5 * time.Minute
)

// appliedTogether are the files that a user applies to one namespace, by the name of
// that: one for the sign-in, and one of the others.
func appliedTogether(t *testing.T) map[string][]string {
	t.Helper()
	entries, err := os.ReadDir(manifestsDir)
	require.NoError(t, err)
	together := map[string][]string{}
	for _, e := range entries {
		for _, signIn := range []string{"client-secret", "workload-identity"} {
			name, found := strings.CutSuffix(e.Name(), ".yaml")
			require.True(t, found, e.Name())
			if name != "client-secret" && name != "workload-identity" {
				together[name+"-"+signIn] = []string{e.Name(), signIn + ".yaml"}
			}
		}
	}
	require.Contains(t, together, "collector-client-secret")
	return together
}

func TestManifests(t *testing.T) {
	c := newCluster(t, harness.NewWithoutSim(t, manifestsLimit))
	for namespace, files := range appliedTogether(t) {
		t.Run("the administrator of a namespace applies "+strings.Join(files, " and "), func(t *testing.T) {
			user := c.newNamespace(t, namespace)
			for range 2 { // the second time as a change
				for _, file := range files {
					require.NoError(t, user.apply(namespace, read(t, file)), file)
				}
			}
			requirePodsAreAdmitted(t, user, namespace)
			requireNoFurtherRights(t, user, namespace)
			requireAccountReadsNothing(t, c, user, namespace)
		})
	}
	t.Run("mistakes are refused", func(t *testing.T) { requireMistakesAreRefused(t, c) })
}

// requirePodsAreAdmitted requires that the server admits pods as the manifests
// describe them. The controllers that make them do not run here.
func requirePodsAreAdmitted(t *testing.T, user *client, namespace string) {
	t.Helper()
	for _, pod := range podsOf(t, user, namespace) {
		path := "/api/v1/namespaces/" + namespace + "/pods"
		admitted, err := create(user, path, pod)
		require.NoError(t, err)
		require.Equal(t, pod.Spec.ServiceAccountName, admitted.Spec.ServiceAccountName)

		pod.Spec.SecurityContext = nil
		_, err = create(user, path, pod)
		require.ErrorContains(t, err, "violates PodSecurity", "the server checks the profile")
	}
}

// podsOf returns a pod for each Deployment and StatefulSet.
func podsOf(t *testing.T, user *client, namespace string) (pods []corev1.Pod) {
	t.Helper()
	var deployments appsv1.DeploymentList
	_, err := user.send(http.MethodGet, "/apis/apps/v1/namespaces/"+namespace+"/deployments", "", nil, &deployments)
	require.NoError(t, err)
	for _, d := range deployments.Items {
		pods = append(pods, corev1.Pod{ObjectMeta: d.Spec.Template.ObjectMeta, Spec: d.Spec.Template.Spec})
	}
	var sets appsv1.StatefulSetList
	_, err = user.send(http.MethodGet, "/apis/apps/v1/namespaces/"+namespace+"/statefulsets", "", nil, &sets)
	require.NoError(t, err)
	for _, s := range sets.Items {
		pod := corev1.Pod{ObjectMeta: s.Spec.Template.ObjectMeta, Spec: s.Spec.Template.Spec}
		for _, claim := range s.Spec.VolumeClaimTemplates {
			volume := corev1.Volume{Name: claim.Name}
			volume.PersistentVolumeClaim = &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name}
			pod.Spec.Volumes = append(pod.Spec.Volumes, volume)
		}
		pods = append(pods, pod)
	}
	for n := range pods {
		pods[n].GenerateName = "test-"
	}
	require.Len(t, pods, 1)
	return pods
}

// requireNoFurtherRights requires that RBAC is on: the user may do nothing outside of
// the namespace.
func requireNoFurtherRights(t *testing.T, user *client, namespace string) {
	t.Helper()
	var denied *refused
	require.ErrorAs(t, user.apply("kube-system", read(t, "collector.yaml")), &denied)
	require.Equal(t, http.StatusForbidden, denied.status)
	_, err := create(user, "/api/v1/namespaces", corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace + "-2"}})
	require.ErrorAs(t, err, &denied)
	require.Equal(t, http.StatusForbidden, denied.status)
}

// requireAccountReadsNothing requires that the collector cannot read what else is in
// the namespace.
func requireAccountReadsNothing(t *testing.T, c *cluster, user *client, namespace string) {
	t.Helper()
	account := c.account(t, user.requestToken(t, namespace, "otelcol-defender"))
	for _, resource := range []string{"secrets", "configmaps", "pods"} {
		_, err := account.send(http.MethodGet, "/api/v1/namespaces/"+namespace+"/"+resource, "", nil, nil)
		var denied *refused
		require.ErrorAs(t, err, &denied)
		require.Equal(t, http.StatusForbidden, denied.status)
	}
}

// requireMistakesAreRefused applies copies of collector.yaml with one mistake each.
func requireMistakesAreRefused(t *testing.T, c *cluster) {
	const namespace = "mistakes"
	user := c.newNamespace(t, namespace)
	for _, mistake := range []struct{ name, right, wrong, message string }{
		{"unknown field", "      serviceAccountName: ", "      serviceAccountNane: ", "serviceAccountNane"},
		{"unknown field in an item of a list", "          readinessProbe:\n", "          readynessProbe:\n", "readynessProbe"},
		{"text instead of a number", "  replicas: 1\n", "  replicas: one\n", "replicas"},
		{"number instead of text", "    requests: {storage: 1Gi}\n", "    requests: [1]\n", "requests"},
		{"unknown value", "  strategy: {type: Recreate}\n", "  strategy: {type: Replace}\n", "Replace"},
		{"selector that does not match", "    matchLabels: {app.kubernetes.io/name: otelcol-defender}\n", "    matchLabels: {app.kubernetes.io/name: other}\n", "selector"},
		{"port that does not exist", "targetPort: metrics}", "targetPort: -1}", "targetPort"},
		{"unknown kind", "kind: Deployment\n", "kind: Deploiment\n", "Deploiment"},
		{"privileges", "            allowPrivilegeEscalation: false\n", "", "PodSecurity"},
	} {
		t.Run(mistake.name, func(t *testing.T) {
			right := read(t, "collector.yaml")
			require.Equal(t, 1, bytes.Count(right, []byte(mistake.right)), "the place of the mistake")
			wrong := strings.Replace(string(right), mistake.right, mistake.wrong, 1)
			require.ErrorContains(t, user.apply(namespace, []byte(wrong)), mistake.message)
		})
	}
	require.NoError(t, user.apply(namespace, read(t, "collector.yaml")), "without a mistake")
}

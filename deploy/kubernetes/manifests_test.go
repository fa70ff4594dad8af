// Package kubernetes has manifests, and this test of them. tools/validate.sh
// runs it; without the path of a collector there is nothing to test.
package kubernetes

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

var collector string

func TestMain(m *testing.M) {
	flag.StringVar(&collector, "collector", "", "absolute path of the built collector")
	flag.Parse()
	if collector == "" {
		fmt.Println("kubernetes: give -collector (make validate)")
		return
	}
	os.Exit(m.Run())
}

// variants are the files that say how to sign in, with the environment that the
// cluster gives the pod for it.
func variants() map[string][]string {
	return map[string][]string{
		"client-secret.yaml": nil, // its Secret has it all
		"workload-identity.yaml": {
			"AZURE_TENANT_ID=11111111-2222-3333-4444-555555555555", "AZURE_CLIENT_ID=66666666-7777-8888-9999-000000000000",
			"AZURE_FEDERATED_TOKEN_FILE=/var/run/secrets/azure/tokens/azure-identity-token",
		},
	}
}

// manifests is what is applied together, by name.
type manifests struct {
	configMaps map[string]*corev1.ConfigMap
	secrets    map[string]*corev1.Secret
	accounts   map[string]*corev1.ServiceAccount
	claims     map[string]*corev1.PersistentVolumeClaim
	deployment appsv1.Deployment
}

// read decodes each document into Kubernetes' own type. A field that the type
// does not have, or that is there twice, is an error.
func read(t *testing.T, variant string) *manifests {
	t.Helper()
	m := &manifests{
		configMaps: map[string]*corev1.ConfigMap{}, secrets: map[string]*corev1.Secret{},
		accounts: map[string]*corev1.ServiceAccount{}, claims: map[string]*corev1.PersistentVolumeClaim{},
	}
	for _, file := range []string{"collector.yaml", variant} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
		for {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			m.take(t, document)
		}
	}
	return m
}

func (m *manifests) take(t *testing.T, document []byte) {
	t.Helper()
	var about metav1.TypeMeta
	require.NoError(t, yaml.Unmarshal(document, &about))
	switch about.APIVersion + " " + about.Kind {
	case "v1 ConfigMap":
		keep(t, m.configMaps, new(corev1.ConfigMap), document)
	case "v1 Secret":
		keep(t, m.secrets, new(corev1.Secret), document)
	case "v1 ServiceAccount":
		keep(t, m.accounts, new(corev1.ServiceAccount), document)
	case "v1 PersistentVolumeClaim":
		keep(t, m.claims, new(corev1.PersistentVolumeClaim), document)
	case "apps/v1 Deployment":
		require.Empty(t, m.deployment.Name, "one deployment")
		require.NoError(t, yaml.UnmarshalStrict(document, &m.deployment))
	default:
		require.Fail(t, "of what kind is this?", "%s", document)
	}
}

// keep decodes an object and keeps it under its name, which no other has.
func keep[T metav1.Object](t *testing.T, all map[string]T, object T, document []byte) {
	t.Helper()
	require.NoError(t, yaml.UnmarshalStrict(document, object))
	require.NotContains(t, all, object.GetName())
	require.NotEmpty(t, object.GetName())
	all[object.GetName()] = object
}

func TestOnePodAtATimeRunsWithoutPrivileges(t *testing.T) {
	for variant := range variants() {
		t.Run(variant, func(t *testing.T) {
			m := read(t, variant)
			spec := m.deployment.Spec
			require.EqualValues(t, 1, *spec.Replicas)
			require.Equal(t, appsv1.RecreateDeploymentStrategyType, spec.Strategy.Type)
			require.Subset(t, spec.Template.Labels, spec.Selector.MatchLabels)
			for _, claim := range m.claims {
				require.Equal(t, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod}, claim.Spec.AccessModes)
			}

			pod := spec.Template.Spec
			require.Len(t, pod.Containers, 1)
			c := pod.Containers[0]
			require.True(t, *pod.SecurityContext.RunAsNonRoot)
			require.NotZero(t, *pod.SecurityContext.RunAsUser)
			require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
			require.False(t, *c.SecurityContext.AllowPrivilegeEscalation)
			require.Equal(t, []corev1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop)
			require.False(t, c.Resources.Limits.Memory().IsZero())
			require.False(t, c.Resources.Requests.Memory().IsZero())
			require.Equal(t, "/health", c.ReadinessProbe.HTTPGet.Path)
			require.NotNil(t, c.LivenessProbe.TCPSocket, "trouble that the health check shows is not mended by a restart")
		})
	}
}

func TestWhatThePodRefersToIsThere(t *testing.T) {
	for variant := range variants() {
		t.Run(variant, func(t *testing.T) {
			m := read(t, variant)
			pod := m.deployment.Spec.Template.Spec
			require.Contains(t, m.accounts, pod.ServiceAccountName)
			volumes := map[string]bool{}
			for _, v := range pod.Volumes {
				volumes[v.Name] = true
				switch {
				case v.ConfigMap != nil:
					require.Contains(t, m.configMaps, v.ConfigMap.Name)
				case v.PersistentVolumeClaim != nil:
					require.Contains(t, m.claims, v.PersistentVolumeClaim.ClaimName)
				default:
					require.Fail(t, "what is in it?", v.Name)
				}
			}
			c := pod.Containers[0]
			ports := map[string]int32{}
			for _, p := range c.Ports {
				ports[p.Name] = p.ContainerPort
			}
			require.EqualValues(t, 13133, ports[c.ReadinessProbe.HTTPGet.Port.StrVal])
			require.EqualValues(t, 13133, ports[c.LivenessProbe.TCPSocket.Port.StrVal])
			for _, mount := range c.VolumeMounts {
				require.True(t, volumes[mount.Name], mount.Name)
				require.Empty(t, mount.SubPath, "it would never change")
			}
			if variant == "client-secret.yaml" {
				require.Contains(t, m.secrets, c.EnvFrom[0].SecretRef.Name)
			} else {
				require.Equal(t, "true", m.deployment.Spec.Template.Labels["azure.workload.identity/use"])
				require.Contains(t, m.accounts[pod.ServiceAccountName].Annotations, "azure.workload.identity/client-id")
			}
		})
	}
}

func TestTheCollectorTakesItsConfiguration(t *testing.T) {
	for variant, given := range variants() {
		t.Run(variant, func(t *testing.T) {
			m := read(t, variant)
			c := m.deployment.Spec.Template.Spec.Containers[0]
			folder := t.TempDir()
			m.mount(t, folder)

			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			args := []string{"validate"}
			for _, arg := range c.Args {
				args = append(args, strings.ReplaceAll(arg, "=/", "="+folder+"/"))
			}
			cmd := exec.CommandContext(ctx, collector, args...)
			cmd.Env = slices.Concat(given, m.environment(t))
			output, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", output)

			var config struct {
				Receivers map[string]struct {
					IDsFile string `json:"incident_ids_file"`
				} `json:"receivers"`
				Extensions map[string]struct {
					Directory string `json:"directory"`
				} `json:"extensions"`
			}
			require.NoError(t, yaml.Unmarshal([]byte(m.configMaps["otelcol-defender-config"].Data["collector.yaml"]), &config))
			require.FileExists(t, filepath.Join(folder, config.Receivers["defender_incidents"].IDsFile))
			require.Equal(t, config.Extensions["file_storage"].Directory, c.VolumeMounts[0].MountPath)
		})
	}
}

// mount puts the files of the config maps where the pod has them, below a
// folder.
func (m *manifests) mount(t *testing.T, folder string) {
	t.Helper()
	pod := m.deployment.Spec.Template.Spec
	for _, mount := range pod.Containers[0].VolumeMounts {
		dir := filepath.Join(folder, mount.MountPath)
		require.NoError(t, os.MkdirAll(dir, 0o750))
		for _, v := range pod.Volumes {
			if v.Name != mount.Name || v.ConfigMap == nil {
				continue
			}
			for name, text := range m.configMaps[v.ConfigMap.Name].Data {
				// A folder of the pod's is one of the test's, so that validation finds it.
				text = strings.ReplaceAll(text, "directory: /", "directory: "+path.Clean(folder)+"/")
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
			}
		}
	}
}

// environment is what the manifests give the container.
func (m *manifests) environment(t *testing.T) []string {
	t.Helper()
	var env []string
	c := m.deployment.Spec.Template.Spec.Containers[0]
	for _, e := range c.Env {
		env = append(env, e.Name+"="+e.Value)
	}
	for _, from := range c.EnvFrom {
		secret, found := m.secrets[from.SecretRef.Name]
		require.True(t, found || *from.SecretRef.Optional)
		if found {
			for name, value := range secret.StringData {
				env = append(env, name+"="+value)
			}
		}
	}
	return env
}

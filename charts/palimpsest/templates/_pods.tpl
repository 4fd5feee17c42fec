{{/*
What a site says about pods. Each template changes the object it is given in place and prints nothing; a "spec" is a
template of a workflow (with `container`) or the spec of a pod (with `containers`).
*/}}

{{/* GPU pods are those that ask for the name that `palimpsest render` writes. */}}
{{- define "palimpsest.usesGpu" -}}
{{- range .containers -}}{{- if hasKey (default dict (default dict .resources).limits) "nvidia.com/gpu" -}}yes{{- end -}}{{- end -}}
{{- end -}}

{{/* Node selector and tolerations of .spec: of all pods, of GPU pods, of its family; Argo does not merge them. */}}
{{- define "palimpsest.scheduling" -}}
{{- $values := .root.Values -}}
{{- $selector := mergeOverwrite (dict) (default dict .spec.nodeSelector) $values.pods.nodeSelector (ternary $values.gpu.nodeSelector dict .gpu) (default dict .family.nodeSelector) -}}
{{- $tolerations := concat (default list .spec.tolerations) $values.pods.tolerations (ternary $values.gpu.tolerations list .gpu) (default list .family.tolerations) | uniq -}}
{{- if $selector -}}{{- $_ := set .spec "nodeSelector" $selector -}}{{- end -}}
{{- if $tolerations -}}{{- $_ := set .spec "tolerations" $tolerations -}}{{- end -}}
{{- end -}}

{{/* Image, resources and GPU name of .container. */}}
{{- define "palimpsest.container" -}}
{{- $values := .root.Values -}}
{{- $_ := set .container "image" (include "palimpsest.image" (dict "root" .root "image" .container.image)) -}}
{{- $_ = set .container "imagePullPolicy" $values.images.pullPolicy -}}
{{- $resources := default dict .container.resources -}}
{{- $gpu := default $values.gpu.resourceName .family.gpuResourceName -}}
{{- range $kind := list "requests" "limits" -}}
  {{- $found := default dict (get $resources $kind) -}}
  {{- if hasKey $found "nvidia.com/gpu" -}}
    {{- $count := get $found "nvidia.com/gpu" -}}
    {{- $found = set (omit $found "nvidia.com/gpu") $gpu $count -}}
  {{- end -}}
  {{- range $what, $amount := default dict (get (default dict $.family.resources) $kind) -}}
    {{- $_ := set $found $what (include "palimpsest.text" $amount) -}}
  {{- end -}}
  {{- if $found -}}{{- $_ := set $resources $kind $found -}}{{- end -}}
{{- end -}}
{{- if $resources -}}{{- $_ := set .container "resources" $resources -}}{{- end -}}
{{- end -}}

{{/* Claims, the size of /dev/shm, the config of .profile and the hub's token, by the names of .volumes. */}}
{{- define "palimpsest.volumes" -}}
{{- $root := .root -}}
{{- $profile := .profile -}}
{{- range .volumes -}}
  {{- if has .name (list "data" "models") -}}
    {{- $_ := set .persistentVolumeClaim "claimName" (include "palimpsest.claim" (dict "root" $root "name" .name)) -}}
  {{- else if eq .name "shm" -}}
    {{- $_ := set .emptyDir "sizeLimit" (default .emptyDir.sizeLimit $root.Values.pods.shmSize) -}}
  {{- else if eq .name "config" -}}
    {{- $_ := set .configMap "name" (printf "%s-config-%s" (include "palimpsest.fullname" $root) $profile) -}}
  {{- else if eq .name "hf-token" -}}
    {{- $none := printf "%s-hf-token" (include "palimpsest.fullname" $root) -}}
    {{- $_ := set .secret "secretName" (default $none $root.Values.models.tokenSecret) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* What every pod has, at the top of .spec: of a workflow (`priority` = podPriorityClassName) or of a Job's pods. */}}
{{- define "palimpsest.everyPod" -}}
{{- $values := .root.Values -}}
{{- $secrets := include "palimpsest.pullSecrets" .root | fromJsonArray -}}
{{- if $secrets -}}{{- $_ := set .spec "imagePullSecrets" $secrets -}}{{- end -}}
{{- if $values.pods.priorityClassName -}}{{- $_ := set .spec .priority $values.pods.priorityClassName -}}{{- end -}}
{{- $affinity := include "palimpsest.affinity" .root | fromJson -}}
{{- if $affinity -}}{{- $_ := set .spec "affinity" $affinity -}}{{- end -}}
{{- $_ := set .spec "serviceAccountName" (include "palimpsest.account" .root) -}}
{{- $context := .spec.securityContext -}}
{{- range $key := list "runAsUser" "runAsGroup" "fsGroup" -}}
  {{- if kindIs "invalid" $values.pods.userId -}}{{- $_ := unset $context $key -}}
  {{- else -}}{{- $_ := set $context $key $values.pods.userId -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* As JSON: the site's affinity, and with storage.singleNode that all of a release's pods share a node. */}}
{{- define "palimpsest.affinity" -}}
{{- $affinity := deepCopy .Values.pods.affinity -}}
{{- if .Values.storage.singleNode -}}
  {{- $together := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" (include "palimpsest.selector" . | fromYaml)) -}}
  {{- $near := default dict $affinity.podAffinity -}}
  {{- $key := "requiredDuringSchedulingIgnoredDuringExecution" -}}
  {{- $_ := set $near $key (append (default list (get $near $key)) $together) -}}
  {{- $_ = set $affinity "podAffinity" $near -}}
{{- end -}}
{{- $affinity | toJson -}}
{{- end -}}

{{/* A number or text as text: Helm reads whole numbers as floats, which print as 1e+06. */}}
{{- define "palimpsest.text" -}}
{{- if kindIs "string" . -}}{{- . -}}{{- else if eq (float64 (int64 .)) (float64 .) -}}{{- int64 . -}}{{- else -}}{{- . -}}{{- end -}}
{{- end -}}

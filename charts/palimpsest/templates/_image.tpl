{{/* `palimpsest/<image>:<version>` as the site's registry has it: .root, .image. Others stay as they are. */}}
{{- define "palimpsest.image" -}}
{{- $values := .root.Values.images -}}
{{- $image := .image -}}
{{- if regexMatch "^palimpsest/[a-z0-9-]+:" $image -}}
  {{- $name := $image | trimPrefix "palimpsest/" | splitList ":" | first -}}
  {{- $digest := get $values.digests $name -}}
  {{- $registry := default $values.registry (.root.Values.global).imageRegistry -}}
  {{- $path := printf "%s/%s" $values.repository $name -}}
  {{- if $registry -}}{{- $path = printf "%s/%s" $registry $path -}}{{- end -}}
  {{- $tag := printf ":%s" (default .root.Chart.AppVersion $values.tag) -}}
  {{- $image = printf "%s%s" $path (ternary (printf "@%s" $digest) $tag (not (empty $digest))) -}}
{{- end -}}
{{- if and $values.requireDigests (not (contains "@sha256:" $image)) -}}
  {{- fail (printf "images.requireDigests: the image %s has no digest: give it in images.digests" $image) -}}
{{- end -}}
{{- $image -}}
{{- end -}}

{{/* imagePullSecrets, as JSON; entries may be names or objects. */}}
{{- define "palimpsest.pullSecrets" -}}
{{- $secrets := list -}}
{{- range default .Values.images.pullSecrets (.Values.global).imagePullSecrets -}}
{{- $secrets = append $secrets (ternary (dict "name" .) . (kindIs "string" .)) -}}
{{- end -}}
{{- $secrets | toJson -}}
{{- end -}}

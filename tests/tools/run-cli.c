/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/json.h"
#include "base/sandbox.h"
#include "base/worker.h"

#include <stdio.h>

/* For developers: runs one command in a root, as a build does. run-cli [--bind PATH HOST]... ROOT COMMAND... */

static JsonObject *
run(AshContext *ctx, JsonObject *request, GError **error)
{
	g_auto(GStrv) argv = ash_json_get_strv(request, "argv"), binds = ash_json_get_strv(request, "binds");
	g_autofree char *output = NULL;
	int status = 0;
	AshSandboxCommand command = {
		.root_path = ash_json_get_string(request, "root", NULL),
		.argv = (const char *const *) argv,
		.bind_pairs = (const char *const *) binds,
		.epoch = 1700000000,
	};

	if (!ash_sandbox_run(ctx, &command, &output, &status, error))
		return NULL;
	JsonObject *reply = json_object_new();
	json_object_set_string_member(reply, "output", output);
	json_object_set_int_member(reply, "status", status);
	return reply;
}

static const AshWorkerEntry workers[] = { { "run", run }, { NULL, NULL } };

int
main(int argc, char **argv)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(JsonObject) request = json_object_new();
	g_autoptr(GPtrArray) binds = g_ptr_array_new();
	g_autoptr(GError) error = NULL;
	int status, at = 1;

	if (ash_worker_main(argc, argv, workers, &status))
		return status;
	for (; at + 2 < argc && g_str_equal(argv[at], "--bind"); at += 3) {
		g_ptr_array_add(binds, argv[at + 1]);
		g_ptr_array_add(binds, argv[at + 2]);
	}
	g_ptr_array_add(binds, NULL);
	g_autofree char *root = g_canonicalize_filename(argv[at], NULL);
	json_object_set_string_member(request, "root", root);
	ash_json_set_strv(request, "argv", (const char *const *) argv + at + 1);
	ash_json_set_strv(request, "binds", (const char *const *) binds->pdata);
	g_autoptr(JsonObject) reply = ash_worker_call(ctx, "run", request, &error);
	if (reply == NULL) {
		fprintf(stderr, "run-cli: %s\n", error->message);
		return ash_error_exit_status(error);
	}
	fputs(json_object_get_string_member(reply, "output"), stdout);
	return (int) json_object_get_int_member(reply, "status");
}

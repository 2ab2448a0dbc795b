/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "node/places.h"
#include "node/window.h"

#include <stdbool.h>

/** What a run without a person does. */
typedef enum {
	ASH_NODE_AUTOMATIC_NO,       /* nothing */
	ASH_NODE_AUTOMATIC_DOWNLOAD, /* fetches into the free slot */
	ASH_NODE_AUTOMATIC_APPLY,    /* and has the next boot take it */
	ASH_NODE_AUTOMATIC_REBOOT,   /* and reboots */
} AshNodeAutomatic;

/** Whether to fetch a version of which most has to be downloaded. */
typedef enum { ASH_NODE_FULL_YES, ASH_NODE_FULL_NO, ASH_NODE_FULL_ASK } AshNodeFull;

/** ashlar-node.conf(5) */
typedef struct {
	/* [Update] */
	char **urls;     /* at least one, or the node takes no updates */
	char *ref;       /* NAME/ARCHITECTURE/VARIANT */
	char *channel;   /* "stable" */
	int automatic;   /* AshNodeAutomatic */
	guint64 tries;   /* of a new version, 1 to 9 */
	char *root_file; /* trusted root metadata of the image */
	/* [Network] */
	char *proxy, *ca_file, *credentials_file;
	guint64 connections; /* 1 to 32 */
	guint64 timeout;     /* seconds without progress */
	/* [Limits] */
	guint64 rate;          /* bytes a second; 0: any */
	guint64 bytes_per_day; /* 0: any */
	int allow_full;        /* AshNodeFull */
	GPtrArray *windows;    /* of AshNodeWindow: when automatic runs may work; empty: always */
	/* [Health] */
	guint64 health_timeout; /* seconds for one script */
	guint64 reboot_delay;   /* seconds from failed health to the reboot */
	char **health_units;    /* must be active */
	/* [Report] */
	char *report_url; /* where to say how this machine is (node/reporter.h); NULL: nowhere */
} AshNodeConfig;

/**
 * Reads /etc/ashlar/node.conf, or if it is missing that of /run or /usr/lib, and then the drop-ins node.conf.d/?*.conf of /usr/lib,
 * /run and /etc, by name; one in /etc hides one of the same name in /run, and that one in /usr/lib (as systemd does). A list is
 * emptied by an empty value. ASH_ERROR_CONFIG "file:line: ..." for anything not known. Owned.
 */
AshNodeConfig *ash_node_config_load(const AshNodePlaces *places, GError **error);
void ash_node_config_free(AshNodeConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshNodeConfig, ash_node_config_free)

/** Reads @text, called @name in errors, over what @config says already. */
gboolean ash_node_config_parse(AshNodeConfig *config, const char *text, const char *name, GError **error);
/** With defaults. Owned. */
AshNodeConfig *ash_node_config_new(void);
/** ASH_ERROR_CONFIG saying which keys an update needs and are not set. */
gboolean ash_node_config_check(const AshNodeConfig *config, GError **error);

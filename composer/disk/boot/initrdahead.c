/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/boot/initrdahead.h"

#include "disk/boot/boot.h"
#include "disk/boot/initrd.h"

#include <sys/resource.h>
#include <unistd.h>

#define NICENESS 10

struct AshInitrdAhead {
	AshInitrdTreeFunc load;
	gpointer user_data;
	GDestroyNotify free_user_data;
	GMutex lock;
	GThread *thread;     /* under lock: NULL once it was waited for */
	char *key;           /* what the tree calls the content that was unpacked; NULL: nothing was */
	AshContent *content;
};

/* Whatever fails here fails again where it is needed, and is told there. */
static gpointer
unpack(gpointer data)
{
	AshInitrdAhead *ahead = data;
	g_autoptr(AshFsTree) tree = ahead->load(ahead->user_data);
	const AshFsNode *node = tree != NULL ? ash_boot_find_initrd(tree) : NULL;
	g_autoptr(AshContent) packed = node != NULL && node->content != NULL ? ash_boot_open_file(tree, node, NULL) : NULL;

	ahead->content = packed != NULL ? ash_initrd_unpack(packed, NULL) : NULL;
	if (ahead->content != NULL)
		ahead->key = g_strdup(node->content);
	return NULL;
}

static void
wait_for(AshInitrdAhead *ahead)
{
	g_mutex_lock(&ahead->lock);
	if (ahead->thread != NULL)
		g_thread_join(g_steal_pointer(&ahead->thread));
	g_mutex_unlock(&ahead->lock);
}

AshInitrdAhead *
ash_initrd_ahead_new(AshInitrdTreeFunc load, gpointer user_data, GDestroyNotify free_user_data)
{
	AshInitrdAhead *ahead = g_new0(AshInitrdAhead, 1);

	ahead->load = load;
	ahead->user_data = user_data;
	ahead->free_user_data = free_user_data;
	g_mutex_init(&ahead->lock);
	ahead->thread = g_thread_try_new("initrd", unpack, ahead, NULL);
	return ahead;
}

void
ash_initrd_ahead_free(AshInitrdAhead *ahead)
{
	if (ahead == NULL)
		return;
	wait_for(ahead);
	g_mutex_clear(&ahead->lock);
	if (ahead->free_user_data != NULL)
		ahead->free_user_data(ahead->user_data);
	g_free(ahead->key);
	g_clear_pointer(&ahead->content, ash_content_unref);
	g_free(ahead);
}

int
ash_initrd_ahead_get_fd(AshInitrdAhead *ahead)
{
	wait_for(ahead);
	return ahead->content != NULL ? ash_content_get_fd(ahead->content) : -1;
}

AshContent *
ash_initrd_ahead_get(AshInitrdAhead *ahead, const AshFsNode *node)
{
	if (ahead == NULL || node == NULL)
		return NULL;
	wait_for(ahead);
	return g_strcmp0(ahead->key, node->content) == 0 && ahead->content != NULL ? ash_content_ref(ahead->content) : NULL;
}

/* Shows a camera of the store with its sound, and says how the connection goes: ./watch NAME [SOUND-FILE]
 * "t" and Enter play the file, or a tone, through its speaker. Ctrl-C ends the program. */

#include <glib-unix.h>
#include <gst/gst.h>
#include <unistd.h>

static GMainLoop *loop;
static GstElement *player, *talk;
static const char *camera, *sound;
static int exit_code = 0;

static void stop(GstElement **pipeline)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(*pipeline);
    gst_bus_remove_watch(bus);
    gst_element_set_state(*pipeline, GST_STATE_NULL);
    g_clear_object(pipeline);
}

/* `data` is the address of the pipeline that the message comes from. */
static gboolean on_message(GstBus *bus, GstMessage *message, gpointer data)
{
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        g_autoptr(GError) error = NULL;
        gst_message_parse_error(message, &error, NULL);
        g_printerr("error: %s\n", error->message);
        exit_code = 1;
        g_main_loop_quit(loop);
    } else if (data == &talk && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS) {
        g_print("talk: said\n");
        stop(&talk);
        return G_SOURCE_REMOVE;
    } else if (data == &player && gst_message_has_name(message, "wyze-connection")) {
        /* The talk shares the player's session, and posts the same messages. */
        const GstStructure *connection = gst_message_get_structure(message);
        const char *text = gst_structure_get_string(connection, "text");
        const char *state = gst_structure_get_string(connection, "state");
        g_print("camera: %s%s%s\n", state, text ? ": " : "", text ? text : "");
    }
    return G_SOURCE_CONTINUE;
}

static void start(GstElement **pipeline)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(*pipeline);
    gst_bus_add_watch(bus, on_message, pipeline);
    gst_element_set_state(*pipeline, GST_STATE_PLAYING);
}

static gboolean on_key(gint input, GIOCondition condition, gpointer data)
{
    char key;
    /* The end of the input is not the end of the picture. */
    if (read(input, &key, 1) != 1)
        return G_SOURCE_REMOVE;
    if (key != 't' || talk) /* The camera has one speaker. */
        return G_SOURCE_CONTINUE;
    talk = gst_parse_launch(sound ? "filesrc name=file ! decodebin ! wyzesink name=speaker"
                                  : "audiotestsrc num-buffers=50 ! wyzesink name=speaker", NULL);
    if (sound)
        gst_child_proxy_set(GST_CHILD_PROXY(talk), "file::location", sound, NULL);
    gst_child_proxy_set(GST_CHILD_PROXY(talk), "speaker::camera", camera, NULL);
    g_print("talk: starting\n");
    start(&talk);
    return G_SOURCE_CONTINUE;
}

static gboolean on_ctrl_c(gpointer data)
{
    g_main_loop_quit(data);
    return G_SOURCE_REMOVE;
}

int main(int count, char **arguments)
{
    gst_init(&count, &arguments);
    if (count < 2) {
        g_printerr("usage: watch NAME [SOUND-FILE]\n");
        return 2;
    }
    camera = arguments[1];
    sound = arguments[2];
    loop = g_main_loop_new(NULL, FALSE);
    g_unix_signal_add(SIGINT, on_ctrl_c, loop);
    g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP, on_key, NULL);
    g_autofree char *name = g_uri_escape_string(camera, NULL, FALSE);
    g_autofree char *uri = g_strconcat("wyze:///", name, NULL);
    player = gst_element_factory_make("playbin3", NULL);
    g_object_set(player, "uri", uri, NULL);
    start(&player);
    g_main_loop_run(loop);

    if (talk)
        stop(&talk);
    stop(&player);
    g_main_loop_unref(loop);
    gst_deinit();
    return exit_code;
}

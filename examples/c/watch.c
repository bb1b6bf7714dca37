/* Shows a camera with its sound, says how the connection goes, and talks at a key.
 *
 *   make && ./watch NAME [SOUND-FILE]
 *
 * NAME is a camera of the store (see wyze-cameras). "t" and Enter play the file, or a tone, through its speaker.
 * Ctrl-C ends the program. */

#include <glib-unix.h>
#include <gst/gst.h>
#include <unistd.h>

static GMainLoop *loop;
static GstElement *player, *talk;
static const char *camera, *sound;
static int exit_code = 0;

static void stop(GstElement **pipeline)
{
    GstBus *bus = gst_element_get_bus(*pipeline);
    gst_bus_remove_watch(bus);
    gst_object_unref(bus);
    gst_element_set_state(*pipeline, GST_STATE_NULL);
    g_clear_object(pipeline);
}

/* `data` is the address of the pipeline that the message comes from. */
static gboolean on_message(GstBus *bus, GstMessage *message, gpointer data)
{
    (void)bus;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        GError *error;
        gst_message_parse_error(message, &error, NULL);
        g_printerr("error: %s\n", error->message);
        g_error_free(error);
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
    GstBus *bus = gst_element_get_bus(*pipeline);
    gst_bus_add_watch(bus, on_message, pipeline);
    gst_object_unref(bus);
    gst_element_set_state(*pipeline, GST_STATE_PLAYING);
}

/* A camera without sound never adds the pad for it. */
static void on_pad(GstElement *source, GstPad *pad)
{
    GstCaps *caps = gst_pad_query_caps(pad, NULL);
    gboolean is_video = g_str_has_prefix(gst_structure_get_name(gst_caps_get_structure(caps, 0)), "video/");
    gst_caps_unref(caps);
    const char *line = is_video ? "queue ! videoconvert ! autovideosink"
                                : "queue ! audioconvert ! audioresample ! autoaudiosink";
    GstElement *branch = gst_parse_bin_from_description(line, TRUE, NULL);
    gst_bin_add(GST_BIN(player), branch);
    gst_element_link_pads(source, GST_PAD_NAME(pad), branch, "sink");
    gst_element_sync_state_with_parent(branch);
}

static void start_talk(void)
{
    talk = gst_parse_launch(sound ? "filesrc name=file ! decodebin ! wyzesink name=speaker"
                                  : "audiotestsrc num-buffers=50 ! wyzesink name=speaker", NULL);
    if (sound)
        gst_child_proxy_set(GST_CHILD_PROXY(talk), "file::location", sound, NULL);
    gst_child_proxy_set(GST_CHILD_PROXY(talk), "speaker::camera", camera, NULL);
    g_print("talk: starting\n");
    start(&talk);
}

static gboolean on_key(gint input, GIOCondition condition, gpointer data)
{
    char key;
    (void)condition, (void)data;
    /* The end of the input is not the end of the picture. */
    if (read(input, &key, 1) != 1)
        return G_SOURCE_REMOVE;
    /* The camera has one speaker. */
    if (key == 't' && !talk)
        start_talk();
    return G_SOURCE_CONTINUE;
}

static gboolean on_ctrl_c(gpointer data)
{
    (void)data;
    g_main_loop_quit(loop);
    return G_SOURCE_CONTINUE;
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
    g_unix_signal_add(SIGINT, on_ctrl_c, NULL);
    g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP, on_key, NULL);

    char *name = g_uri_escape_string(camera, NULL, FALSE);
    char *uri = g_strconcat("wyze:///", name, NULL);
    GstElement *source = gst_element_factory_make("uridecodebin", NULL);
    g_object_set(source, "uri", uri, NULL);
    g_signal_connect(source, "pad-added", G_CALLBACK(on_pad), NULL);
    player = gst_pipeline_new(NULL);
    gst_bin_add(GST_BIN(player), source);
    g_free(uri);
    g_free(name);
    start(&player);
    g_main_loop_run(loop);

    if (talk)
        stop(&talk);
    stop(&player);
    g_main_loop_unref(loop);
    gst_deinit();
    return exit_code;
}
